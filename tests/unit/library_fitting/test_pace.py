"""What steps take longer while a save is under way."""

from __future__ import annotations

import pytest

from perdure.fitting.pace import Pace


def lost(*steps: tuple[float, bool] | None) -> float:
    """Steps by duration and whether a save was under way; None is a pause."""
    pace, at = Pace(), 50.0
    pace.step_ended(at, is_saving=False)
    for step in steps:
        if step is None:
            pace.pause()
            at += 1000.0
            pace.step_ended(at, is_saving=True)
        else:
            at += step[0]
            pace.step_ended(at, is_saving=step[1])
    return pace.take_lost_seconds()


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        pytest.param([], 0.0, id="none"),
        pytest.param([(1, False)] * 9, 0.0, id="no save"),
        pytest.param([(1, True)] * 9, 0.0, id="nothing to compare with"),
        pytest.param([(1, False), (1.5, True), (1.5, True)], 1.0, id="slower"),
        pytest.param([(1, False), (1.5, True), (0.5, True)], 0.0, id="single steps vary"),
        pytest.param([(1, False), (0.5, True)], 0.0, id="never a gain"),
        pytest.param([(1, False), (1.25, True), None, (1.25, True)], 0.5, id="not over a pause"),
    ],
)
def test_lost_seconds(steps, seconds):
    assert lost(*steps) == pytest.approx(seconds)


def test_the_usual_follows_slowly():
    steps = [(1.0, False)] * 5 + [(3.0, False)] * 200
    assert lost(*steps, (3.0, True)) == pytest.approx(0.0, abs=1e-3)


def test_what_was_taken_is_not_told_again():
    pace = Pace()
    for at, is_saving in ((0, False), (1, False), (4, True)):
        pace.step_ended(at, is_saving=is_saving)
    assert pace.take_lost_seconds() == pytest.approx(2.0)
    assert pace.take_lost_seconds() == 0.0
