"""Which requests are obeyed, again or for the first time, and which are not any more."""

from __future__ import annotations

import pytest

from perdure.board import Board
from perdure.contract.requests import Request, Verb
from perdure.control import Control
from perdure.lineage.records import Cursor, Obeyed

HALF = {"factor": "0.5"}


def factor(number: int, batch: int | None) -> Obeyed:
    cursor = None if batch is None else Cursor(0, 1, batch)
    return Obeyed(number, "learning-rate-factor", HALF, cursor)


@pytest.fixture
def control() -> Control:
    return Control(Board("team/digits/1", 1))


def obeyed_again(control: Control, batches: range) -> list[tuple[int, int]]:
    """Batch and id of what is obeyed again on the way."""
    found = []
    for batch in batches:
        while (again := control.next_again(Cursor(0, 1, batch))) is not None:
            control.applied(again)
            found.append((batch, again.id))
    return found


def test_nothing_is_due_at_first(control):
    assert not control.is_due
    assert control.state() == {"applied": 0, "factor": 1.0}


@pytest.mark.parametrize(
    ("applied", "again"),
    [(0, [(3, 4), (3, 5), (7, 6)]), (4, [(3, 5), (7, 6)]), (5, [(7, 6)]), (6, [])],
)
def test_what_the_checkpoint_has_not_is_obeyed_again_at_its_place(control, applied, again):
    control.know([factor(4, 3), factor(5, 3), factor(6, 7)])
    control.resume({"applied": applied, "factor": 0.25})
    assert control.factor == 0.25
    assert control.is_behind == bool(again)
    assert obeyed_again(control, range(1, 10)) == again
    assert not control.is_behind
    assert control.state()["applied"] == 6 if again else applied


def test_a_place_that_is_passed_over_is_made_up_for(control):
    """A record whose answer was lost, or another number of steps per execution."""
    control.know([factor(4, 3)])
    control.resume({})
    assert obeyed_again(control, range(5, 6)) == [(5, 4)]


def test_of_two_records_of_a_request_the_later_counts(control):
    control.know([factor(4, 3), factor(4, 6)])
    assert obeyed_again(control, range(1, 10)) == [(6, 4)]


def test_a_request_without_a_place_is_not_obeyed_again_and_not_anew(control):
    control.know([factor(4, None)])
    control.newest = Request(4, Verb.LEARNING_RATE_FACTOR, HALF)
    assert not control.is_due
    assert control._board.status().request_obeyed == "4"


@pytest.mark.parametrize(("number", "is_new"), [(6, True), (5, False), (4, False)])
def test_older_ids_are_ignored(control, number, is_new):
    control.settle(5)
    control.newest = Request(number, Verb.FINISH)
    assert (control.waiting is not None) == control.is_due == is_new


def test_to_stop_does_not_wait_for_the_training_thread(control):
    control.newest = Request(1, Verb.STOP)
    assert control.waiting is None
    assert not control.is_due


def test_an_older_id_does_not_hide_what_was_obeyed(control):
    control.settle(10)
    control.refuse("it cannot be", 9)
    assert control.seen == 10
    assert control._board.status().request_obeyed == "10"


def test_a_checkpoint_from_before_there_were_requests(control):
    control.factor = 0.5
    control.resume({})
    assert control.state() == {"applied": 0, "factor": 1.0}
