"""A lineage in a folder, a store whose calls can be disturbed, and snapshots to save."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perdure.contract.environment import Job, Keep
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import CheckpointWriter, Snapshot
from perdure.store.local import LocalStore

JOB = Job("team", "digits", "1")


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


class Process:
    """What a trainer does with a lineage, without a trainer."""

    def __init__(self, store: Any, keep: Keep) -> None:
        self.notices: list[str] = []
        self.lineage = Lineage(store, JOB, 1, self.notices.append)
        self.writer = CheckpointWriter(self.lineage.log, keep)
        self.saved: dict[int, dict[str, np.ndarray[Any, Any]]] = {}

    def begin(self) -> Process:
        """Take over the lineage and go on from its newest checkpoint."""
        self.lineage.claim({"program": {}}, continues=False)
        self.lineage.adopt_all(self.writer)
        point = self.lineage.point_for(0)
        if point is not None:
            self.writer.resume_from(point.number, point.checkpoint)
        return self

    def save(
        self, step: int, arrays: dict[str, Any], *, value: float | None = None, fit: int = 0,
        kind: RecordKind = RecordKind.CHECKPOINT,
    ) -> int:  # fmt: skip
        """Commit a snapshot; returns its record's number."""
        return self.commit(step, arrays, value=value, fit=fit, kind=kind).committed.record

    def commit(
        self, step: int, arrays: dict[str, Any], *, value: float | None = None, fit: int = 0,
        kind: RecordKind = RecordKind.CHECKPOINT,
    ) -> Any:  # fmt: skip
        """Commit a snapshot."""
        tensors = deque(
            Tensor("model", name, lambda array=array: array) for name, array in arrays.items()
        )
        state = {"history": {"loss": [1.0 / (step + 1)]}}
        cursor = Cursor(fit, 0, step)
        saved = self.writer.write(Snapshot(kind, cursor, step, tensors, state, value))
        self.saved[saved.committed.record] = arrays
        self.writer.sweep()
        return saved


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
