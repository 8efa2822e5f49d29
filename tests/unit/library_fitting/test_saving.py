"""When a fit saves: the best epoch although the saver is busy, what is counted, and leaving with errors."""

from __future__ import annotations

import threading
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

from perdure.board import Board
from perdure.contract.interval import Every
from perdure.contract.status import Committed, Kind
from perdure.errors import Preempted
from perdure.fitting.position import Position
from perdure.fitting.saving import Saves
from perdure.interval import Bound, Progress, Schedule
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.records import Cursor, RecordKind, now
from perdure.lineage.writer import Saved, Snapshot
from perdure.saver import Saver
from perdure.signals import Watcher
from perdure.store import Unusable


class Writer:
    """Commits what it is given once it may, and remembers it; fails with what it is told to."""

    def __init__(self) -> None:
        self.written: list[tuple[int, float | None, float]] = []
        self.may_go, self.has_begun = threading.Event(), threading.Event()
        self.may_go.set()
        self.error: Exception | None = None

    def write(self, snapshot: Snapshot) -> Saved:
        self.has_begun.set()
        self.may_go.wait(60)
        if self.error is not None:
            raise self.error
        (tensor,) = snapshot.drain()
        self.written.append((snapshot.step, snapshot.value, float(tensor.read())))
        return Saved(Committed(1, snapshot.step, now(), 8, "d"), 8, 0.0)

    def sweep(self, is_interrupted) -> None:
        pass


class Running:
    """The saves of a fit whose only variable is the number of its newest step."""

    def __init__(self, every: Every) -> None:
        self.board = Board("team/digits/1", 1)
        self.writer = Writer()
        self.saver = Saver(self.writer, self.board)
        self.device = {"at": 0}
        self.signals = in_thread(lambda: Watcher(30.0, lambda ending: ending))
        attempt = SimpleNamespace(
            board=self.board, saver=self.saver, signals=self.signals,
            schedule=Schedule(every, Progress()),
            settings=SimpleNamespace(store_deadline_seconds=60.0),
        )  # fmt: skip
        self.at = Position(fit=0, step=0)
        self.saves = Saves(attempt, self.capture, self.at)
        self.signals.unsaved = self.saves
        self.saves.go_live(Progress())

    def capture(self, kind: RecordKind) -> Snapshot:
        step = self.device["at"]
        tensors = deque([Tensor("weights", "w", lambda: np.float64(self.device["at"]))])
        return Snapshot(kind, Cursor(0, 0, step), step, tensors, {}, None, 0.25)

    def epoch(self, step: int, value: float, *, is_best: bool) -> None:
        """An epoch that ends after `step`, and the next one begins."""
        self.device["at"] = step
        self.at.step = step
        self.saves.hold()
        self.saves.end_of_epoch(Progress(step, step, 1), value, is_best=is_best)
        self.saves.release()


def in_thread(make):
    """Made where no signal handler can be installed."""
    made = []
    thread = threading.Thread(target=lambda: made.append(make()))
    thread.start()
    thread.join(60)
    return made[0]


@pytest.fixture
def running() -> Running:
    return Running(Every("steps", 1000))


def begin_a_save(running: Running) -> None:
    """One that is under way until `may_go` is set."""
    running.writer.may_go.clear()
    running.epoch(1, 0.9, is_best=True)
    assert running.writer.has_begun.wait(60)


def test_the_best_epoch_waits_for_the_saver(running):
    begin_a_save(running)
    running.epoch(2, 0.5, is_best=True)
    running.epoch(3, 0.7, is_best=False)
    running.writer.may_go.set()
    assert running.saver.wait(60)
    running.saves.between_steps(Progress(4, 4, 3))
    assert running.saver.wait(60)
    assert running.writer.written[1:] == [(2, 0.5, 2.0)], "as it was then, not as it is now"


def test_of_two_best_epochs_the_better_one_waits(running):
    begin_a_save(running)
    running.epoch(2, 0.5, is_best=True)
    running.epoch(3, 0.4, is_best=True)
    running.writer.may_go.set()
    running.saves.final()
    assert [(step, value) for step, value, _ in running.writer.written[1:]] == [(3, 0.4), (3, None)]


def test_a_save_that_was_asked_for_is_still_due_after_the_best_one(running):
    begin_a_save(running)
    running.epoch(2, 0.5, is_best=True)
    running.device["at"] = 4
    running.at.step = 4
    running.saves.ask()
    running.writer.may_go.set()
    for _ in range(3):
        assert running.saver.wait(60)
        running.saves.between_steps(Progress(4, 4, 2))
    assert [step for step, _, _ in running.writer.written] == [1, 2, 4]


def test_the_best_epoch_is_given_up_where_there_is_no_memory_for_it(running, monkeypatch):
    begin_a_save(running)

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("perdure.lineage.writer.Snapshot.on_host", full)
    running.epoch(2, 0.5, is_best=True)
    assert [notice.kind for notice in running.board.status().notices] == [Kind.MEMORY_SHORT]
    running.writer.may_go.set()
    assert running.saver.wait(60)


@pytest.mark.parametrize("is_best", [False, True])
def test_who_trains_on_finds_the_end_of_the_last_epoch(running, is_best):
    """Of the state before on_train_end, which may put other weights into the model; once."""
    running.device["at"] = running.at.step = 1
    running.saves.hold()
    running.saves.end_of_epoch(Progress(1, 1, 1), 0.5, is_best=is_best)
    running.saves.final()
    assert [(step, value) for step, value, _ in running.writer.written] == [(1, 0.5), (1, None)]


def test_where_an_epoch_is_one_call_a_save_is_measured_at_its_end():
    running = Running(Every.parse("auto,min=1 s"))
    for step in range(100, 1000, 100):
        running.epoch(step, 0.0, is_best=False)
        assert running.saver.wait(60)
    assert running.saves._schedule.interval.bound is not Bound.UNMEASURED


def test_training_has_waited_for_what_is_held_but_not_offered(running):
    for step in (1, 2, 3):
        running.epoch(step, 0.0, is_best=False)
    assert running.writer.written == []
    assert running.saver.spending.blocked_seconds == 0.75


@pytest.mark.parametrize("error", [MemoryError("no thread"), Unusable("denied"), ValueError("bug")])
def test_a_save_that_cannot_be_made_is_no_failure_of_a_preemption(running, capfd, error):
    running.device["at"] = 5
    running.at.step = 5
    running.writer.error = error
    running.signals.deadline = threading.TIMEOUT_MAX
    with pytest.raises(Preempted, match="nothing could be saved"):
        running.saves.leave()
    assert f"{type(error).__name__}: {error}" in capfd.readouterr().err


def test_a_store_of_no_use_ends_a_fit_at_once(running):
    running.device["at"] = 5
    running.at.step = 5
    running.writer.error = Unusable("no such bucket")
    with pytest.raises(Unusable):
        running.saves.final()
