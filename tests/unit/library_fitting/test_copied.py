"""What is said where a device has no room for a second copy of the variables."""

from __future__ import annotations

from types import SimpleNamespace

import keras

from perdure.board import Board
from perdure.contract.status import Kind
from perdure.fitting.state import FitState
from perdure.lineage.records import Cursor, RecordKind
from perdure.state.files.managed import ManagedFiles
from perdure.state.headroom import Headroom


def test_that_saves_go_through_the_host_is_said_once(monkeypatch):
    """Each takes another time."""
    monkeypatch.setattr(Headroom, "suffices", lambda _: False)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.history = keras.callbacks.History()
    model.history.history, model.history.epoch = {}, []
    board = Board("test", 1)
    state = FitState(model, [], board, ManagedFiles([]))
    clock = iter([0.0, 1.0, 2.0, 3.0, 5.0, 9.0])
    stopwatch = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr("perdure.fitting.state.time", stopwatch)
    for step in (1, 2):
        state.capture(RecordKind.CHECKPOINT, Cursor(0, 0, step), step, {})
    (notice,) = board.status().notices
    assert notice.kind == Kind.MEMORY_SHORT
    assert "1.00 s" in notice.message
