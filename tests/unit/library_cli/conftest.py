"""A small lineage in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_lineage import begun, snapshot, writer_of

from perdure.lineage.lineage import Lineage
from perdure.lineage.records import RecordKind
from perdure.store.local import LocalStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A folder; nothing here is about power cuts, so the disk is not waited for."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.delenv("PERDURE_STORE", raising=False)
    return LocalStore(tmp_path / "store")


@pytest.fixture
def lineage(store: LocalStore) -> Lineage:
    """A finished fit and a second one under way: records 2 and 3, final 4, checkpoint 5."""
    lineage = begun(store, pytest.fail)
    writer = writer_of(lineage)
    for fit, step, kind in ((0, 10, "checkpoint"), (0, 20, "checkpoint"), (0, 20, "final"),
                            (1, 25, "checkpoint")):  # fmt: skip
        writer.write(snapshot(RecordKind(kind), fit, step))
    return lineage
