"""What is saved when the process is told to go."""

from __future__ import annotations

import itertools

import pytest

from perdure.contract.status import Leaving
from perdure.departure import ASSUMED_SECONDS, Decision, Situation, Speed, decide, speed_of

MB = 10**6


@pytest.mark.parametrize(
    ("saves", "speed"),
    [
        pytest.param([], Speed(ASSUMED_SECONDS, None), id="none yet"),
        pytest.param([(100 * MB, 2.0)], Speed(0.0, 50 * MB), id="one"),
        pytest.param([(100 * MB, 2.0), (100 * MB, 3.0)], Speed(0.0, 40 * MB), id="alike"),
        pytest.param([(100 * MB, 2.0), (500 * MB, 6.0)], Speed(1.0, 100 * MB), id="unlike"),
        pytest.param(
            [(500 * MB, 6.0), (0, 0.5)], Speed(0.5, 500 / 5.5 * MB), id="one sent nothing"
        ),
        pytest.param([(0, 0.5), (0, 1.5)], Speed(1.0, None), id="nothing was ever sent"),
        pytest.param([(10 * MB, 3.0), (500 * MB, 2.0)], Speed(2.5, None), id="more went faster"),
        pytest.param([(10 * MB, 0.0)], Speed(0.0, None), id="no time at all"),
    ],
)
def test_speed(saves, speed):
    measured = speed_of(saves)
    assert measured.fixed_seconds == pytest.approx(speed.fixed_seconds)
    assert measured.bytes_per_second == pytest.approx(speed.bytes_per_second)


@pytest.mark.parametrize("fixed", [0.0, 0.2, 4.0])
@pytest.mark.parametrize("rate", [1 * MB, 300 * MB])
def test_saves_of_one_speed_are_foretold(fixed, rate):
    saves = [(sent, fixed + sent / rate) for sent in (900 * MB, 30 * MB, 400 * MB)]
    assert speed_of(saves).seconds_for(100 * MB) == pytest.approx(fixed + 100 * MB / rate)


def test_a_save_like_the_last_ones_takes_what_they_took():
    saves = [(100 * MB, 2.0)] * 5
    assert speed_of(saves).seconds_for(100 * MB) == pytest.approx(2.0)


def situation(**changes):
    usual = {
        "left_seconds": 10.0, "remaining_seconds": None, "save_seconds": 4.0,
        "can_save": Leaving.SAVE_FRESH, "is_unsaved": True, "must_try": False,
    }  # fmt: skip
    return Situation(**(usual | changes))


SAVED = {"is_unsaved": False, "can_save": None}


@pytest.mark.parametrize(
    ("changes", "leaving", "expected"),
    [
        pytest.param({}, Leaving.SAVE_FRESH, 4, id="it fits"),
        pytest.param({"can_save": Leaving.SAVE_HELD}, Leaving.SAVE_HELD, 4, id="in validation"),
        pytest.param({"remaining_seconds": 6.0}, Leaving.SAVE_FRESH, 10, id="both fit"),
        pytest.param({"remaining_seconds": 6.1}, Leaving.FINISH_SAVE, 6.1, id="one fits"),
        pytest.param({"remaining_seconds": 60.0}, Leaving.FINISH_SAVE, 60, id="neither fits"),
        pytest.param(
            {"remaining_seconds": 1.0, "can_save": None}, Leaving.FINISH_SAVE, 1, id="is the newest"
        ),
        pytest.param(
            {"remaining_seconds": 0.0, "can_save": None}, Leaving.FINISH_SAVE, 0, id="any moment"
        ),
        pytest.param(SAVED, Leaving.NOTHING_TO_SAVE, 0, id="all is saved"),
        pytest.param(SAVED | {"left_seconds": 0.0}, Leaving.NOTHING_TO_SAVE, 0, id="and no time"),
        pytest.param({"left_seconds": 3.9}, Leaving.KEEP_COMMITTED, 0, id="it does not fit"),
        pytest.param(
            {"left_seconds": 3.9, "must_try": True},
            Leaving.TRY_ANYWAY,
            4,
            id="nothing is committed",
        ),
        pytest.param(
            {"left_seconds": 0.0, "must_try": True}, Leaving.TRY_ANYWAY, 4, id="never nothing"
        ),
        pytest.param({"can_save": None}, Leaving.KEEP_COMMITTED, 0, id="in the middle of a step"),
        pytest.param(
            {"can_save": None, "must_try": True},
            Leaving.KEEP_COMMITTED,
            0,
            id="nothing to try with",
        ),
    ],
)
def test_decide(changes, leaving, expected):
    assert decide(situation(**changes)) == Decision(leaving, expected)


def test_what_holds_of_every_situation():
    for left, remaining, save, can_save, unsaved, must in itertools.product(
        (0.0, 1.0, 5.0, 1e9), (None, 0.0, 2.0, 9.0), (0.0, 3.0, 1e9),
        (None, Leaving.SAVE_FRESH, Leaving.SAVE_HELD), (True, False), (True, False),
    ):  # fmt: skip
        if can_save and not unsaved:
            continue
        decision = decide(Situation(left, remaining, save, can_save, unsaved, must))
        if decision.leaving in (Leaving.SAVE_FRESH, Leaving.SAVE_HELD):
            assert decision.leaving is can_save
            assert decision.expected_seconds <= left
        if remaining is not None:
            assert decision.leaving in (Leaving.FINISH_SAVE, can_save), "what is begun is finished"
        if unsaved:
            assert decision.leaving is not Leaving.NOTHING_TO_SAVE
        if can_save and must and remaining is None:
            assert decision.leaving in (can_save, Leaving.TRY_ANYWAY), "never nothing"
