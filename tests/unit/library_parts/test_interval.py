"""When a save is due, and what decides that."""

from __future__ import annotations

import itertools
import math

import pytest

from perdure.contract.interval import Budget, Every
from perdure.interval import (
    REMEMBERED_SAVES,
    Bound,
    Cost,
    Interruptions,
    Interval,
    Progress,
    Schedule,
    auto_interval,
    daly_seconds,
)

START = Progress(seconds=100.0, steps=10, epochs=1)
FREE = Budget(math.ulp(0.0), 1.0, math.inf, math.inf)
HOUR = 3600.0


@pytest.mark.parametrize(
    ("every", "not_yet", "due"),
    [
        pytest.param("5 steps", Progress(1e6, 14, 9), Progress(100, 15, 1), id="steps"),
        pytest.param("1 step", Progress(1e6, 10, 9), Progress(100, 11, 1), id="each step"),
        pytest.param("2 epochs", Progress(1e6, 10**6, 2), Progress(100, 10, 3), id="epochs"),
        pytest.param("30 s", Progress(129.9, 10**6, 9), Progress(130, 10, 1), id="seconds"),
        pytest.param("0.5 s", Progress(100.4, 10**6, 9), Progress(100.5, 10, 1), id="half a second"),
        pytest.param("auto", Progress(159.9, 10**6, 9), Progress(160, 10, 1), id="auto"),
        pytest.param("auto,min=5 s", Progress(104.9, 10**6, 9), Progress(105, 10, 1), id="less"),
        pytest.param("auto,min=900 s", Progress(159.9, 1, 9), Progress(160, 10, 1), id="the first"),
    ],
)  # fmt: skip
def test_is_due(every, not_yet, due):
    schedule = Schedule(Every.parse(every), START)
    assert not schedule.is_due(not_yet)
    assert schedule.is_due(due)


@pytest.mark.parametrize("every", ["5 steps", "1 epoch", "30 s", "auto"])
def test_a_save_begins_a_new_interval(every):
    schedule = Schedule(Every.parse(every), START)
    later = Progress(1000.0, 100, 10)
    assert schedule.is_due(later)
    schedule.saved(later)
    assert not schedule.is_due(later)
    assert schedule.is_due(Progress(2000.0, 200, 20))


@pytest.mark.parametrize(
    ("every", "interval"),
    [("30 s", Interval(30, Bound.SETTING)), ("5 steps", None), ("1 epoch", None)],
)
def test_a_users_interval_does_not_depend_on_what_saves_cost(every, interval):
    schedule = Schedule(Every.parse(every), START)
    assert schedule.measured(Cost(100.0, 1000.0, 1e12, 1e6), START) is None
    assert schedule.interval == interval


@pytest.mark.parametrize(
    ("between_minutes", "save_minutes", "minutes"),
    [(24 * 60, 5, 117), (6 * 60, 5, 57), (15, 5, 9.1)],
)
def test_daly(between_minutes, save_minutes, minutes):
    """The examples of the paper, which count the time between the end of a save and the next begin."""
    seconds = daly_seconds(60.0 * save_minutes, 60.0 * between_minutes)
    assert seconds / 60 - save_minutes == pytest.approx(minutes, rel=0.01)


@pytest.mark.parametrize("cost", [1e-9, 0.01, 1.0, 60.0])
def test_daly_is_the_optimum(cost):
    """Neither a longer nor a shorter interval wastes less by Daly's own model of the run time."""
    between = 10_000.0

    def waste(period: float) -> float:
        return (math.exp(period / between) - 1) / (period - cost)

    best = daly_seconds(cost, between)
    assert waste(best) <= min(waste(best * 1.2), waste(cost + (best - cost) * 0.8))


def test_daly_without_cost_or_hope():
    assert daly_seconds(0.0, HOUR) == 0.0
    assert daly_seconds(300.0, 100.0) == 400.0


@pytest.mark.parametrize(
    ("cost", "between", "budget", "expected"),
    [
        pytest.param(None, HOUR, Budget(), (60, Bound.UNMEASURED), id="nothing is known"),
        pytest.param(None, HOUR, Budget(5), (5, Bound.UNMEASURED), id="sooner where allowed"),
        pytest.param(Cost(0.001, 1), 100, Budget(), (60, Bound.MINIMUM), id="minimum"),
        pytest.param(Cost(1, 10), 1e6, Budget(), (1414.547, Bound.DALY), id="Young/Daly"),
        pytest.param(Cost(1, 5000), 2e4, Budget(), (5000, Bound.DURATION), id="never queued"),
        pytest.param(Cost(10, 20), 100, Budget(), (1000, Bound.OVERHEAD), id="overhead"),
        pytest.param(Cost(10, 20), 100, Budget(overhead=0.1), (100, Bound.OVERHEAD), id="more of it"),
        pytest.param(
            Cost(0.01, 1, 10 * 2**30), HOUR, Budget(), (360, Bound.BYTES), id="bytes per hour"
        ),
        pytest.param(
            Cost(0.01, 1, 1, 500), HOUR, Budget(), (180, Bound.REQUESTS), id="requests per hour"
        ),
    ],
)  # fmt: skip
def test_auto(cost, between, budget, expected):
    decided = auto_interval(cost, between, budget)
    assert (decided.seconds, decided.bound) == (pytest.approx(expected[0]), expected[1])


@pytest.mark.parametrize("training", [0.0, 1e-6, 0.01, 1.0, 50.0])
@pytest.mark.parametrize("duration", [0.0, 5.0, 3000.0])
@pytest.mark.parametrize("between", [1.0, 60.0, HOUR, 1e6])
def test_auto_keeps_every_bound(training, duration, between):
    for sent, requests, budget in itertools.product(
        (0, 2**20, 2**36), (0, 7, 5000), (Budget(), Budget(5, 0.2, 2**30, 100))
    ):
        cost = Cost(training, duration, sent, requests)
        seconds = auto_interval(cost, between, budget).seconds
        assert seconds >= max(budget.least_seconds, duration, daly_seconds(training, between))
        assert training <= budget.overhead * seconds * (1 + 1e-12)
        assert HOUR * sent <= budget.bytes_per_hour * seconds * (1 + 1e-12)
        assert HOUR * requests <= budget.requests_per_hour * seconds * (1 + 1e-12)


@pytest.mark.parametrize("seconds", [1.0, 59.9, 60.1, 400.0])
def test_auto_is_no_longer_than_its_bounds_want(seconds):
    """Each bound alone is kept to the second."""
    alone = {
        Bound.MINIMUM: (Cost(), Budget(seconds, 1.0, math.inf, math.inf)),
        Bound.DURATION: (Cost(duration=seconds), FREE),
        Bound.OVERHEAD: (Cost(seconds / 10), Budget(1e-9, 0.1, math.inf, math.inf)),
        Bound.BYTES: (Cost(sent_bytes=seconds), Budget(1e-9, 1.0, HOUR, math.inf)),
        Bound.REQUESTS: (Cost(requests=seconds), Budget(1e-9, 1.0, math.inf, HOUR)),
    }
    for bound, (cost, budget) in alone.items():
        decided = auto_interval(cost, 1e-9, budget)
        assert (decided.seconds, decided.bound) == (pytest.approx(seconds), bound)


def warm(interruptions: Interruptions | None = None) -> Schedule:
    """A schedule on `auto` after the first save, which counts for nothing."""
    schedule = Schedule(Every(), START, interruptions)
    assert schedule.measured(Cost(1e6, 1e6, 1e15, 1e9), START) is None
    assert schedule.interval == Interval(60, Bound.UNMEASURED)
    return schedule


def test_auto_follows_what_is_measured():
    schedule = warm()
    assert schedule.interval == Interval(60, Bound.UNMEASURED)
    schedule.measured(Cost(5.0, 10.0), Progress(200.0))
    assert schedule.interval == Interval(500, Bound.OVERHEAD)
    assert not schedule.is_due(Progress(599.0))
    assert schedule.is_due(Progress(600.1))


def test_one_save_that_was_unlike_the_others_decides_nothing():
    schedule = warm()
    for _ in range(REMEMBERED_SAVES):
        schedule.measured(Cost(2.0, 10.0), START)
    schedule.measured(Cost(2000.0, 10_000.0, 1e15, 1e9), START)
    assert schedule.interval == Interval(200, Bound.OVERHEAD)
    for _ in range(REMEMBERED_SAVES):
        schedule.measured(Cost(4.0, 10.0), START)
    assert schedule.interval == Interval(400, Bound.OVERHEAD)


def test_what_changes_little_is_said_once():
    schedule = warm()

    def news(*seconds: float) -> list[bool]:
        """Each many times, so that it is the median."""
        said = []
        for training in seconds:
            times = [schedule.measured(Cost(training), START) for _ in range(REMEMBERED_SAVES)]
            said.append(any(times))
        return said

    assert news(2.0, 2.0, 3.0, 3.9, 4.1, 3.0, 2.1, 1.9) == [
        True, False, False, False, True, False, False, True,
    ]  # fmt: skip
    assert news(0.0, 0.0) == [True, False]


@pytest.mark.parametrize(
    ("count", "age", "more", "expected"),
    [
        pytest.param(0, 0, 0, HOUR, id="nothing is known"),
        pytest.param(0, 0, 9 * HOUR, 10 * HOUR, id="it runs and runs"),
        pytest.param(1, 600, 0, (HOUR + 600) / 2, id="interrupted early"),
        pytest.param(99, 99 * 60, 0, 95.4, id="interrupted each minute"),
        pytest.param(2, 100 * HOUR, 7 * HOUR, 36 * HOUR, id="interrupted seldom"),
    ],
)
def test_seconds_between_interruptions(count, age, more, expected):
    assert Interruptions(count, age).seconds_between(more) == pytest.approx(expected)


def test_interruptions_make_the_interval_shorter():
    often, seldom = (warm(Interruptions(count, 240 * HOUR)) for count in (2000, 1))
    for schedule in (often, seldom):
        schedule.measured(Cost(10.0, 10.0), START)
    assert often.interval == Interval(1000, Bound.OVERHEAD)
    assert seldom.interval is not None
    assert seldom.interval.bound is Bound.DALY
