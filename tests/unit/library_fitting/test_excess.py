"""What a snapshot costs the step after it."""

from __future__ import annotations

import pytest

from perdure.fitting.excess import LEAST_STEPS, Excess


def after(steps: int, seconds: float = 1.0) -> tuple[Excess, float]:
    """So many ordinary steps, and the time."""
    excess, at = Excess(), 100.0
    excess.step_ended(at, is_saving=False)
    for _ in range(steps):
        at += seconds
        assert excess.step_ended(at, is_saving=False) is None
    return excess, at


def test_the_step_after_a_snapshot_is_compared_with_ordinary_ones():
    excess, at = after(20)
    excess.snapshot_taken(at + 0.5)
    assert excess.step_ended(at + 1.75, is_saving=True) == pytest.approx(0.25)
    assert excess.step_ended(at + 9.0, is_saving=True) is None, "only the first step after it"


def test_a_faster_step_costs_nothing():
    excess, at = after(20)
    excess.snapshot_taken(at)
    assert excess.step_ended(at + 0.5, is_saving=True) == 0


def test_one_slow_step_is_no_measure():
    excess, at = after(20)
    excess.step_ended(at + 50, is_saving=False)
    excess.snapshot_taken(at + 50)
    assert excess.step_ended(at + 52, is_saving=False) == pytest.approx(1.0)


def test_steps_during_a_save_are_not_ordinary():
    excess, at = after(20)
    for n in range(1, 40):
        excess.step_ended(at + 3 * n, is_saving=True)
    excess.snapshot_taken(at + 200)
    assert excess.step_ended(at + 202, is_saving=False) == pytest.approx(1.0)


def test_too_few_steps_say_nothing():
    excess, at = after(LEAST_STEPS - 1)
    excess.snapshot_taken(at)
    assert excess.step_ended(at + 5, is_saving=False) is None


def test_the_first_step_of_an_epoch_is_not_measured():
    excess, at = after(20)
    excess.snapshot_taken(at)
    excess.pause()
    assert excess.step_ended(at + 5, is_saving=False) is None
    excess.snapshot_taken(at + 6)
    assert excess.step_ended(at + 7.5, is_saving=False) == pytest.approx(0.5)
