"""Models with values as after a training, and their checkpoints in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_lineage import begun, writer_of

from perdure.board import Board
from perdure.contract.environment import Keep
from perdure.fitting.state import FitState
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Cursor, RecordKind
from perdure.state.files.managed import ManagedFiles
from perdure.store.local import LocalStore

Save = Callable[..., Lineage]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A folder; the command sets these variables, which is for its process alone."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.delenv("PERDURE_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    return LocalStore(tmp_path / "store")


@pytest.fixture
def save(store: LocalStore) -> Save:
    """Save `model` as if an epoch had changed all its values."""
    lineage = begun(store, pytest.fail)
    rng = np.random.default_rng(0)

    def saved(
        model: Any, *callbacks: Any, kind: RecordKind = RecordKind.CHECKPOINT,
        value: float | None = None, keep: str = "last=9",
    ) -> Lineage:  # fmt: skip
        model.optimizer.build(model.trainable_variables)
        for variable in [*model.weights, *model.optimizer.variables[2:]]:
            variable.assign(rng.uniform(0.1, 1.0, variable.shape))
        model.history = keras.callbacks.History()
        model.history.history, model.history.epoch = {"loss": [0.5]}, [0]
        snapshot = FitState(model, callbacks, Board("test", 1), ManagedFiles([])).capture(
            kind, Cursor(0, 0, 2), 2, {}
        )
        snapshot.value = value
        writer_of(lineage, Keep.parse(keep)).write(snapshot)
        return lineage

    return saved
