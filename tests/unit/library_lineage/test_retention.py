"""Which checkpoints are dropped, by examples and by what holds of every policy and history."""

from __future__ import annotations

import random

import pytest

from perdure.contract.environment import Keep
from perdure.lineage.retention import LEAST_KEPT, Row, best, to_drop

SIX = [3, 5, 8, 9, 12, 14]
LOSS = Keep(2, "loss", "min")
ACCURACY = Keep(2, "accuracy", "max")
BEGAN = 1.8e9


def rows(numbers, values=None, monitored=None):
    return [
        Row(number, number * 10, BEGAN + number, (values or {}).get(number), monitored)
        for number in numbers
    ]


@pytest.mark.parametrize(
    ("checkpoints", "values", "keep", "dropped"),
    [
        pytest.param([], {}, Keep(3), set(), id="none"),
        pytest.param([7], {}, Keep(1), set(), id="one"),
        pytest.param([7, 9], {}, Keep(1), set(), id="two stay for a damaged newest"),
        pytest.param(SIX, {}, Keep(1), {3, 5, 8, 9}, id="last=1 keeps two"),
        pytest.param(SIX, {}, Keep(3), {3, 5, 8}, id="last=3"),
        pytest.param(SIX, {}, Keep(6), set(), id="last=all"),
        pytest.param(SIX, {}, Keep(100), set(), id="last=more than there are"),
        pytest.param(SIX, {}, LOSS, {3, 5, 8, 9}, id="no values"),
        pytest.param(SIX, {3: 0.5}, Keep(2), {3, 5, 8, 9}, id="values that nobody monitors"),
        pytest.param(SIX, {3: 0.5, 8: 0.1, 9: 0.2}, LOSS, {3, 5, 9}, id="least"),
        pytest.param(SIX, {3: 0.5, 8: 0.1, 9: 0.2}, ACCURACY, {5, 8, 9}, id="most"),
        pytest.param(SIX, {3: -1.0, 14: -2.0}, LOSS, {3, 5, 8, 9}, id="the newest is the best"),
        pytest.param(SIX, {5: 0.1, 8: 0.1}, LOSS, {3, 8, 9}, id="of equal ones the first"),
        pytest.param(SIX, {5: 0.0, 8: 1.0}, LOSS, {3, 8, 9}, id="zero is a value"),
    ],
)  # fmt: skip
def test_to_drop(checkpoints, values, keep, dropped):
    assert to_drop(rows(checkpoints, values, keep.best), keep) == dropped


@pytest.mark.parametrize("monitored", [None, "accuracy:max", "loss:max", "val_loss:min"])
def test_values_of_something_else_count_as_none(monitored):
    before = rows([3, 5, 8], {3: 0.1, 5: 0.9, 8: 0.2}, monitored)
    after = rows([9, 12, 14, 15], {9: 0.6, 12: 0.5}, LOSS.best)
    assert best(before, LOSS) == set()
    assert best([*before, *after], LOSS) == {12}
    assert to_drop([*before, *after], LOSS) == {3, 5, 8, 9}


@pytest.mark.parametrize(
    ("steps", "every", "kept"),
    [
        pytest.param(
            [99, 100, 101, 199, 205, 300, 301, 302], 100, {100, 205, 300}, id="at or after"
        ),
        pytest.param([50, 60, 70, 80, 90], 100, set(), id="no multiple is reached"),
        pytest.param([90, 350, 360, 370, 380], 100, {350}, id="several multiples at once"),
        pytest.param([100, 120, 90, 110, 115, 118], 100, {100}, id="steps that were trained again"),
    ],
)
def test_every_so_many_steps(steps, every, kept):
    history = [Row(n, step, BEGAN) for n, step in enumerate(steps)]
    newest = {row.number for row in history[-LEAST_KEPT:]}
    dropped = to_drop(history, Keep(1, every_steps=every))
    stay = {row.step for row in history if row.number not in dropped | newest}
    assert stay == kept - {row.step for row in history[-LEAST_KEPT:]}


@pytest.mark.parametrize(
    ("hours", "every", "kept"),
    [
        pytest.param([0, 1, 5.9, 6, 7, 12.5, 13, 20, 21], 6, {0, 6, 12.5, 20}, id="at or after"),
        pytest.param([3, 4, 5, 6, 7, 8], 2, {3, 5, 7}, id="since the first"),
        pytest.param([0, 1, -1, -0.5, 2, 3], 6, {0}, id="a clock that was set back"),
    ],
)
def test_every_so_many_hours(hours, every, kept):
    history = [Row(n, n, BEGAN + 3600 * hour) for n, hour in enumerate(hours)]
    dropped = to_drop(history, Keep(1, every_hours=every))
    stay = {hours[row.number] for row in history[:-LEAST_KEPT] if row.number not in dropped}
    assert stay == kept - set(hours[-LEAST_KEPT:])


def random_keep(draw):
    return Keep(
        last=draw.randint(1, 5),
        monitor=draw.choice([None, "loss"]),
        mode=draw.choice(["min", "max"]),
        every_steps=draw.choice([None, 1, 7, 30]),
        every_hours=draw.choice([None, 1, 5]),
    )


def random_history(draw):
    """Numbers grow; steps fall back now and then, and so does the clock."""
    number, step, time = 0, 0, BEGAN
    for _ in range(draw.randint(0, 60)):
        number += draw.randint(1, 3)
        step = max(0, step + draw.choice([1, 5, 12, 40, -20]))
        time += draw.choice([10, 900, 3600, 9000, -3600])
        value = draw.choice([None, draw.randint(0, 9) / 10])
        yield Row(number, step, time, value, draw.choice(["loss:min", "loss:max"]))


@pytest.mark.parametrize("seed", range(300))
def test_what_holds_of_every_policy(seed):
    draw = random.Random(seed)
    keep, history = random_keep(draw), list(random_history(draw))
    dropped = to_drop(history, keep)
    kept = [row for row in history if row.number not in dropped]
    assert history[-LEAST_KEPT:] == kept[-LEAST_KEPT:]
    assert len(kept) >= min(keep.last, len(history))
    assert dropped <= {row.number for row in history}
    assert to_drop(kept, keep) == set(), "what stayed is wanted when asked again"
    comparable = [row.value for row in history if row.monitored == keep.best]
    if keep.monitor and (values := [value for value in comparable if value is not None]):
        chosen = min(values) if keep.mode == "min" else max(values)
        assert (chosen, keep.best) in [(row.value, row.monitored) for row in kept]


@pytest.mark.parametrize("seed", range(300))
def test_dropping_after_each_checkpoint_leaves_what_dropping_once_leaves(seed):
    """So nothing that was dropped would be wanted later, and a process that dropped nothing for a
    while, such as one whose store was away, ends where the others do.
    """
    draw = random.Random(seed)
    keep, history = random_keep(draw), list(random_history(draw))
    alive: list[Row] = []
    for row in history:
        alive.append(row)
        dropped = to_drop(alive, keep)
        alive = [one for one in alive if one.number not in dropped]
    at_once = to_drop(history, keep)
    assert alive == [row for row in history if row.number not in at_once]
