"""The notice board: every second is booked once, notices are said once, the first ending stays."""

from __future__ import annotations

import os
import threading
import time

import pytest

from perdure import board as module
from perdure.board import Board, Standing
from perdure.contract.status import Activity, Ending, Metric, Notice


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + 1.7e9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "_process_age", lambda: 2.5)
    return clock


def test_a_board_says_whose_it_is(board):
    assert board.status().pid == os.getpid()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board("team/digits/1", 3)


def test_a_new_board(board):
    status = board.status()
    assert (status.job, status.attempt, status.activity) == ("team/digits/1", 3, Activity.STARTING)


def test_seconds_before_the_board_are_booked_too(board):
    assert board.status().seconds == {"Starting": 2.5}


def test_every_second_is_booked_to_one_activity(board, clock):
    for n, activity in enumerate([*Activity, *reversed(Activity)]):
        board.enter(activity)
        clock.now += n + 0.25
        if n % 3 == 0:
            board.status()  # looking changes nothing
    seconds = board.status().seconds
    assert set(seconds) == set(Activity)
    assert sum(seconds.values()) == pytest.approx(clock.now - 1000 + 2.5)
    count = len(Activity)
    assert seconds["Training"] == (4 + 0.25) + (2 * count - 1 - 4 + 0.25)


def test_entering_gives_the_activity_before(board):
    assert board.enter(Activity.TRAINING) == Activity.STARTING
    assert board.enter(Activity.TRAINING) == Activity.TRAINING


def test_during_goes_back_to_what_was_before(board, clock):
    board.enter(Activity.TRAINING)
    clock.now += 1
    with board.during(Activity.SAVING):
        clock.now += 2
        with board.during(Activity.VALIDATING):
            clock.now += 4
        assert board.status().activity == Activity.SAVING
    clock.now += 8
    status = board.status()
    assert status.activity == Activity.TRAINING
    assert status.seconds == {"Starting": 2.5, "Training": 9, "Saving": 2, "Validating": 4}


def test_during_goes_back_after_an_error_too(board):
    with pytest.raises(ZeroDivisionError), board.during(Activity.SAVING):
        raise ZeroDivisionError
    assert board.status().activity == Activity.STARTING


def booked(board: Board) -> tuple[float, float, float]:
    """The seconds in the status, and the times between which it was read."""
    return time.monotonic(), sum(board.status().seconds.values()), time.monotonic()


def test_seconds_add_up_while_others_look():
    board = Board("a/b/1", 1)
    stop = threading.Event()
    reader = threading.Thread(target=lambda: [board.status() for _ in iter(stop.is_set, True)])
    reader.start()
    early, before, late = booked(board)
    for activity in [*Activity] * 20:
        with board.during(activity):
            pass
    earlier, after, latest = booked(board)
    stop.set()
    reader.join()
    rounding = 0.001 * len(Activity)
    assert earlier - late - rounding <= after - before <= latest - early + rounding


def test_notices_are_said_once(board, capsys):
    for _ in range(2):
        board.notice("DataChanged", "the data is another")
        board.notice("DataChanged", "and another still")
    assert board.status().notices == (
        Notice("DataChanged", "the data is another"),
        Notice("DataChanged", "and another still"),
    )
    assert capsys.readouterr().err.splitlines() == [
        "perdure: DataChanged: the data is another",
        "perdure: DataChanged: and another still",
    ]


def test_a_notice_that_measures_is_said_once_for_its_kind(board, capsys):
    board.notice("DataChanged", "the data is another")
    said = [
        board.notice_first(kind, f"{n} s") for n in range(3) for kind in ("Slow", "DataChanged")
    ]
    assert said == [True, False, False, False, False, False]
    assert [notice.message for notice in board.status().notices] == ["the data is another", "0 s"]
    assert capsys.readouterr().err.count("\n") == 2


def test_the_status_holds_so_many_notices_and_the_log_all(board, capsys):
    for n in range(3 * module.MOST_NOTICES):
        board.notice("RequestRefused", f"request {n}")
    notices = board.status().notices
    assert [notice.message for notice in notices] == [
        f"request {n}" for n in range(module.MOST_NOTICES)
    ]
    assert capsys.readouterr().err.count("\n") == 3 * module.MOST_NOTICES


def test_the_first_ending_stays(board):
    first = Ending(75, "Preempted")
    assert board.end(first)
    assert not board.end(Ending(1, "Error"))
    assert board.status().ending == first


def test_the_status_has_the_place_that_training_is_at(board, clock):
    assert board.last_step_time == 0.0
    place = Standing(fit=1, epoch=2, step=100)
    board.follow(place)
    place.step, place.trained, place.replayed, place.stepped_at = 107, 5, 2, clock.monotonic()
    status = board.status()
    assert (status.fit, status.epoch, status.step) == (1, 2, 107)
    assert (status.steps_trained, status.steps_replayed) == (5, 2)
    clock.now += 3.0
    assert board.last_step_time == clock.time() - 3.0


def test_what_was_trained_is_summed_over_fits(board):
    for step in (10, 30):
        board.follow(Standing(fit=0, step=step, trained=10, replayed=1))
    status = board.status()
    assert (status.step, status.steps_trained, status.steps_replayed) == (30, 20, 2)


def test_the_rate_is_of_the_newest_seconds(board, clock):
    place = Standing()
    board.follow(place)
    for seconds, trained, rate in ((1.0, 10, 10.0), (2.0, 15, 2.5)):
        clock.now += seconds
        place.trained = trained
        board.measure_rate()
        assert board.status().steps_per_second == rate


def test_the_newest_values_of_the_log_stay(board):
    board.logged({"loss": 0.5, "val_loss": float("nan")})
    board.logged({"loss": 0.1})
    assert board.status().metrics == (Metric("loss", "0.1"), Metric("val_loss", "nan"))
