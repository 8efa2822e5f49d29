"""A lineage in a folder, a store whose calls can be disturbed, and snapshots to save."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lineage_process import Process

from perdure.contract.environment import Keep
from perdure.store.local import LocalStore


class Disturbed:
    """A store that calls `before[name](key)` and `after[name](key)` around its calls."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self.before: dict[str, Callable[[str], None]] = {}
        self.after: dict[str, Callable[[str], None]] = {}
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(key: str, *data: Any) -> Any:
            self.before.get(name, _nothing)(key)
            result = method(key, *data)
            self.calls.append((name, key))
            self.after.get(name, _nothing)(key)
            return result

        return call


def _nothing(_key: str) -> None:
    pass


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A folder; nothing here is about power cuts, so the disk is not waited for."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    return LocalStore(tmp_path / "store")


@pytest.fixture
def disturb() -> Callable[[LocalStore], Disturbed]:
    """Put a store behind calls that can be disturbed."""
    return Disturbed


@pytest.fixture
def disturbed(store: LocalStore) -> Disturbed:
    """The store behind calls that can be disturbed."""
    return Disturbed(store)


@pytest.fixture
def process(store: LocalStore) -> Callable[..., Process]:
    """Begin a process on the lineage, by default keeping three and undisturbed."""

    def begin(keep: Keep | None = None, through: Any = None) -> Process:
        return Process(through or store, keep or Keep(3)).begin()

    return begin


@pytest.fixture
def reader(store: LocalStore) -> Callable[..., Process]:
    """A process that only reads."""
    return lambda through=None: Process(through or store, Keep(3))
