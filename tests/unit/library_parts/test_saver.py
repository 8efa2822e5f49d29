"""Saves in the background: what they cost, what is said of those that fail, and how long one may take."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from perdure.board import Board
from perdure.contract.status import Committed, Kind
from perdure.errors import Fenced, StoreUnreachable
from perdure.lineage.log import WriterFenced
from perdure.lineage.records import Cursor, RecordKind, now
from perdure.lineage.writer import Saved, Snapshot
from perdure.saver import PAYS_MOST_SECONDS, RETRY_SECONDS, Saver, TooSlow
from perdure.store import Unavailable, Unusable


class Writer:
    """Commits at once what it is given, fails with what it is told to, or waits to be let go."""

    def __init__(self) -> None:
        self.outcomes: deque[Any] = deque()
        self.go = threading.Event()
        self.go.set()
        self.dirt: Exception | None = None

    def write(self, snapshot: Snapshot) -> Saved:
        self.go.wait(60)
        outcome = self.outcomes.popleft() if self.outcomes else (100, 1.0)
        if isinstance(outcome, Exception):
            raise outcome
        sent, seconds = outcome
        return Saved(Committed(1, snapshot.step, now(), 400, "d"), sent, seconds)

    def sweep(self, is_interrupted: Callable[[], bool]) -> None:
        if self.dirt is not None:
            raise self.dirt


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def board() -> Board:
    return Board("team/digits/1", 1)


@pytest.fixture
def meter() -> SimpleNamespace:
    return SimpleNamespace(requests={"write": 0, "list": 0}, sent_bytes=0, received_bytes=0)


@pytest.fixture
def saver(writer, board, meter, monkeypatch) -> Saver:
    monkeypatch.setattr("perdure.saver.RETRY_SECONDS", 0.0)
    return Saver(writer, board, meter)


def snapshot(step: int = 1, blocked: float = 0.0) -> Snapshot:
    kind = RecordKind.CHECKPOINT
    return Snapshot(kind, Cursor(0, 0, step), step, deque(), {}, None, blocked)


def save(saver: Saver, step: int = 1, blocked: float = 0.0) -> None:
    saver.spending.blocked_seconds += blocked
    saver.offer(snapshot(step))
    assert saver.wait(60)


def notices(board: Board) -> list[str]:
    return [notice.kind for notice in board.status().notices]


def test_a_save_is_on_the_board(saver, board):
    save(saver, 7)
    status = board.status()
    assert (status.checkpoint.step, status.checkpoints, status.uncommitted_since) == (7, 1, None)
    assert (saver.spending.sent_bytes, saver.spending.known_bytes, saver.failures) == (100, 300, 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable("no answer"), Kind.STORE_UNAVAILABLE),
        (MemoryError("device"), Kind.SAVE_FAILED),
        (ValueError("of any kind"), Kind.SAVE_FAILED),
        (OSError(28, "No space left on device"), Kind.SAVE_FAILED),
    ],
)
def test_a_save_that_fails_harms_nobody_and_is_said_once(saver, writer, board, capfd, error, kind):
    writer.outcomes.extend([error, error, error, (1, 1.0), error, error, (1, 1.0)])
    lines = []
    for _ in range(7):
        save(saver)
        saver.raise_if_fenced()
        lines.append(capfd.readouterr().err.count("\n"))
    assert lines == [1, 0, 0, 1, 1, 0, 1], "when it begins and when it ends"
    assert saver.failures == 5
    assert notices(board) == [kind]
    assert board.status().uncommitted_since is None


@pytest.mark.parametrize("error", [Unavailable("no answer"), ValueError("of any kind")])
def test_cleaning_that_fails_harms_no_save(saver, writer, board, error):
    for step in range(3):
        writer.dirt = type(error)(f"chunk {step}")
        save(saver, step)
    saver.finish_cleaning()
    assert notices(board) == [Kind.CLEANING_FAILED]
    assert (board.status().checkpoints, saver.failures) == (3, 0)


def test_while_saves_fail_the_status_says_since_when(saver, writer, board):
    writer.outcomes.extend([Unavailable("a"), Unavailable("b")])
    save(saver)
    since = board.status().uncommitted_since
    assert since is not None
    save(saver)
    assert board.status().uncommitted_since == since
    assert saver.must_retry


def test_a_fenced_writer_ends_the_process_and_says_nothing_of_a_store(saver, writer, board):
    writer.outcomes.append(WriterFenced("by another"))
    save(saver)
    with pytest.raises(Fenced, match="by another"):
        saver.raise_if_fenced()
    assert notices(board) == []


@pytest.mark.parametrize(
    ("outcome", "seconds", "raised"),
    [
        pytest.param(Unavailable("no answer"), 0.0, StoreUnreachable, id="store away"),
        pytest.param(ValueError("a bug"), 300.0, ValueError, id="not the store"),
        pytest.param(Unusable("no such bucket"), 300.0, Unusable, id="store of no use"),
        pytest.param(WriterFenced("other"), 300.0, Fenced, id="fenced"),
    ],
)
def test_a_save_that_is_waited_for_fails_with_its_reason(saver, writer, outcome, seconds, raised):
    writer.outcomes.append(outcome)
    saver.offer(snapshot())
    saver.wait(60)
    writer.outcomes.append(outcome)
    with pytest.raises(raised) as failure:
        saver.save(snapshot, seconds)
    assert not isinstance(failure.value, TooSlow)


def test_a_save_that_takes_too_long_is_no_unreachable_store(saver, writer):
    writer.go.clear()
    with pytest.raises(TooSlow, match="did not end within 0 s"):
        saver.save(snapshot, 0.0)
    writer.go.set()
    assert saver.wait(60)


def test_a_save_that_is_waited_for_is_tried_again(saver, writer):
    writer.outcomes.extend([Unavailable("a"), Unavailable("b")])
    assert saver.save(lambda: snapshot(5), 60).committed.step == 5


def test_cost_is_what_was_spent_since_the_last_save(saver, writer, meter):
    assert not saver.spending.has_untold_cost
    meter.requests, meter.sent_bytes = {"write": 5, "list": 1}, 1000
    saver.spending.excess_seconds += 0.5
    writer.outcomes.append((100, 2.0))
    save(saver, blocked=0.25)
    assert saver.spending.has_untold_cost
    first = saver.spending.take_cost()
    assert (first.training_seconds, first.duration) == (0.75, 2.0)
    assert (first.sent_bytes, first.requests) == (1000, 6)
    assert not saver.spending.has_untold_cost
    meter.requests, meter.sent_bytes = {"write": 8, "list": 1}, 1300
    saver.spending.slowed_seconds += 0.125
    save(saver)
    second = saver.spending.take_cost()
    assert (second.training_seconds, second.sent_bytes, second.requests) == (0.125, 300, 3)


def test_a_save_that_failed_is_part_of_what_the_next_one_cost(saver, writer):
    writer.outcomes.append(Unavailable("no answer"))
    save(saver, blocked=1.0)
    assert not saver.spending.has_untold_cost
    save(saver, blocked=2.0)
    assert saver.spending.take_cost().training_seconds == 3.0


def test_how_long_the_next_save_takes_follows_from_the_newest(saver, writer):
    assert (saver.spending.seconds_to_save, saver.remaining_seconds) == (1.0, None)
    writer.outcomes.extend([(1000, 12.0), (100, 3.0)])
    save(saver)
    assert saver.spending.seconds_to_save == pytest.approx(12.0)
    save(saver)
    assert saver.spending.speed.bytes_per_second == pytest.approx(100.0)
    assert saver.spending.seconds_to_save == pytest.approx(3.0)
    writer.go.clear()
    saver.offer(snapshot())
    assert 0.0 < saver.remaining_seconds <= 3.0
    writer.go.set()
    assert saver.wait(60)


def test_the_grace_needed_is_for_two_saves_a_step_and_the_exit(saver, writer, board):
    writer.outcomes.append((100, 5.0))
    save(saver)
    assert board.status().grace_needed_seconds == pytest.approx(12.0)


def test_the_pause_grows(saver, writer, monkeypatch):
    monkeypatch.setattr("perdure.saver.RETRY_SECONDS", RETRY_SECONDS)
    writer.outcomes.append(Unavailable("no answer"))
    save(saver)
    assert not saver.is_free
    assert not saver.is_saving


def test_two_threads_may_save_at_once_and_both_are_saved(saver, writer, monkeypatch):
    """The train loop and the signal watcher: whoever comes second waits and offers again."""
    barrier = threading.Barrier(2)
    made: list[int] = []
    written: list[int] = []
    write = writer.write
    monkeypatch.setattr(writer, "write", lambda s: (written.append(s.step), write(s))[1])

    def save_in_thread(step: int) -> None:
        def make() -> Snapshot:
            if len(made) < 2:
                made.append(step)
                barrier.wait(60)
            return snapshot(step)

        saver.save(make, 60)

    threads = [threading.Thread(target=save_in_thread, args=(step,)) for step in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made) == [1, 2]
    assert sorted(written) == [1, 2]


def test_what_is_offered_to_a_busy_saver_is_not_taken(saver, writer):
    writer.go.clear()
    assert saver.offer(snapshot(1))
    assert not saver.offer(snapshot(2))
    assert saver.step_under_way == 1
    writer.go.set()
    assert saver.wait(60)
    assert saver.last.committed.step == 1
    assert saver.step_under_way is None


def test_nothing_is_deleted_once_the_process_leaves(writer, board, meter, monkeypatch):
    interrupted = []
    monkeypatch.setattr(writer, "sweep", lambda asks: interrupted.append(asks()))
    leaving = threading.Event()
    saver = Saver(writer, board, meter, leaving.is_set)
    saver.finish_cleaning()
    leaving.set()
    saver.finish_cleaning()
    assert interrupted == [False, True]


def test_a_try_that_sent_much_is_repeated_when_its_bytes_are_paid_for(writer, board, meter):
    saver = Saver(writer, board, meter, bytes_per_hour=3600.0)
    cases = ((0, 0.0), (100, 100.0), (10**9, PAYS_MOST_SECONDS))
    for sent, seconds in cases:

        def write(_: Snapshot, sent: int = sent) -> Saved:
            meter.sent_bytes += sent
            raise Unavailable("no answer")

        writer.write = write
        save(saver)
        assert saver.must_retry
        assert saver._pays_at - saver._retry_at == pytest.approx(seconds)
    assert not saver.may_retry
