"""What a snapshot costs the step after it."""

from __future__ import annotations

import pytest

from perdure.fitting.pace import LEAST_STEPS, Pace


def after(steps: int, seconds: float = 1.0) -> tuple[Pace, float]:
    """So many ordinary steps, and the time."""
    pace, at = Pace(), 100.0
    pace.step_ended(at, is_saving=False)
    for _ in range(steps):
        at += seconds
        assert pace.step_ended(at, is_saving=False) is None
    return pace, at


def test_the_step_after_a_snapshot_is_compared_with_ordinary_ones():
    pace, at = after(20)
    pace.snapshot_taken(at + 0.5)
    assert pace.step_ended(at + 1.75, is_saving=True) == pytest.approx(0.25)
    assert pace.step_ended(at + 9.0, is_saving=True) is None, "only the first step after it"


def test_a_faster_step_costs_nothing():
    pace, at = after(20)
    pace.snapshot_taken(at)
    assert pace.step_ended(at + 0.5, is_saving=True) == 0


def test_one_slow_step_is_no_measure():
    pace, at = after(20)
    pace.step_ended(at + 50, is_saving=False)
    pace.snapshot_taken(at + 50)
    assert pace.step_ended(at + 52, is_saving=False) == pytest.approx(1.0)


def test_steps_during_a_save_are_not_ordinary():
    pace, at = after(20)
    for n in range(1, 40):
        pace.step_ended(at + 3 * n, is_saving=True)
    pace.snapshot_taken(at + 200)
    assert pace.step_ended(at + 202, is_saving=False) == pytest.approx(1.0)


def test_too_few_steps_say_nothing():
    pace, at = after(LEAST_STEPS - 1)
    pace.snapshot_taken(at)
    assert pace.step_ended(at + 5, is_saving=False) is None


def test_the_first_step_of_an_epoch_is_not_measured():
    pace, at = after(20)
    pace.snapshot_taken(at)
    pace.pause()
    assert pace.step_ended(at + 5, is_saving=False) is None
    pace.snapshot_taken(at + 6)
    assert pace.step_ended(at + 7.5, is_saving=False) == pytest.approx(0.5)
