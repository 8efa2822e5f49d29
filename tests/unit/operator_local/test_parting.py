"""Where two runs parted, as far as their recorded steps can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perdure_operator.local.parting import callbacks_that_differ, parting
from perdure_operator.local.results import Fit, Results, Row

PATHS = ("model kernel", "model bias", "optimizer iteration")
ROWS = (Row(1, 0, 1, ("k1", "b1", "i1")), Row(2, 0, 2, ("k2", "b2", "i2")))
FIT = Fit(0, "d", 2, {}, (), paths=PATHS, rows=ROWS)
SECOND = replace(FIT, fit=1)
STEP_1 = "step 1 of fit 0 (epoch 0, batch 1)"
STEP_2 = "step 2 of fit 0 (epoch 0, batch 2)"


def results(*fits: Fit) -> Results:
    return Results("default/digits/1", True, fits)


def with_row(row: Row, fit: Fit = FIT) -> Fit:
    """`fit` with this row in the place of the one of that step."""
    return replace(fit, rows=tuple(row if old.step == row.step else old for old in fit.rows))


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        pytest.param(
            with_row(Row(2, 0, 2, ("k2", "x", "y"))),
            f"the runs part: all tensors are equal after {STEP_1}, and after {STEP_2} 2 of 3 "
            "differ, the first is model bias",
            id="in the middle",
        ),
        pytest.param(
            with_row(Row(1, 0, 1, ("x", "b1", "i1"))),
            f"the runs part: nothing was recorded before, and after {STEP_1} 1 of 3 differ, the "
            "first is model kernel",
            id="at the first step",
        ),
        pytest.param(
            with_row(Row(1, 0, 1, ("k1", "b1"))),
            f"the runs part: nothing was recorded before, and after {STEP_1} there are 3 tensors "
            "against 2",
            id="another number of tensors",
        ),
        pytest.param(
            FIT,
            f"all tensors are equal after {STEP_2}, the last step that was recorded",
            id="later",
        ),
        pytest.param(
            replace(FIT, rows=ROWS[:1]),
            f"all tensors are equal after {STEP_1}, the last step that was recorded",
            id="steps that only one has",
        ),
        pytest.param(replace(FIT, paths=(), rows=()), None, id="nothing recorded"),
    ],
)
def test_parting(other, sentence):
    assert parting(results(FIT), results(other)) == sentence


def test_in_a_later_fit_the_last_equal_step_is_of_the_one_before():
    other = with_row(Row(1, 0, 1, ("k1", "b1", "x")), SECOND)
    assert parting(results(FIT, SECOND), results(FIT, other)) == (
        f"the runs part: all tensors are equal after {STEP_2}, and after step 1 of fit 1 (epoch 0, "
        "batch 1) 1 of 3 differ, the first is optimizer iteration"
    )


def test_callbacks_that_differ():
    one = replace(FIT, callbacks={("Own", 0, "seen"): "a", ("Own", 0, "times"): "b"})
    other = replace(FIT, callbacks={("Own", 0, "seen"): "a", ("Own", 1, "seen"): "c"})
    assert callbacks_that_differ(results(one), results(one)) is None
    assert callbacks_that_differ(results(one), results(other)) == (
        "in fit 0 callbacks differ in Own.times, Own.seen"
    )


def test_many_callbacks_that_differ_are_counted():
    many = replace(FIT, callbacks={("Own", 0, f"a{i}"): "" for i in range(8)})
    assert (callbacks_that_differ(results(FIT), results(many)) or "").endswith("Own.a4 and 3 more")
