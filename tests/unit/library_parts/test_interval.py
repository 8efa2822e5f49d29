"""When a save is due."""

from __future__ import annotations

import math

import pytest

from perdure.contract.environment import Every
from perdure.interval import LEAST_SECONDS, Measured, Progress, Schedule, auto_seconds

START = Progress(seconds=100.0, steps=10, epochs=1)


@pytest.mark.parametrize(
    ("every", "not_yet", "due"),
    [
        pytest.param("5 steps", Progress(1e6, 14, 9), Progress(100, 15, 1), id="steps"),
        pytest.param("1 step", Progress(1e6, 10, 9), Progress(100, 11, 1), id="each step"),
        pytest.param("2 epochs", Progress(1e6, 10**6, 2), Progress(100, 10, 3), id="epochs"),
        pytest.param("30 s", Progress(129.9, 10**6, 9), Progress(130, 10, 1), id="seconds"),
        pytest.param("0.5 s", Progress(100.4, 10**6, 9), Progress(100.5, 10, 1), id="half a second"),
        pytest.param("auto", Progress(159.9, 10**6, 9), Progress(160, 10, 1), id="auto"),
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


def test_a_user_interval_does_not_depend_on_what_saves_cost():
    schedule = Schedule(Every.parse("30 s"), START)
    schedule.measure(blocked=100.0, duration=1000.0)
    assert schedule.is_due(Progress(130.0, 10, 1))


@pytest.mark.parametrize(
    ("measured", "seconds"),
    [
        pytest.param(Measured(), LEAST_SECONDS, id="nothing is known"),
        pytest.param(
            Measured(0.001, 1, 100), LEAST_SECONDS, id="never more often than each minute"
        ),
        pytest.param(Measured(1, 10, 20_000), 200, id="Young's formula"),
        pytest.param(Measured(1, 500, 20_000), 500, id="not before the save before has ended"),
        pytest.param(Measured(10, 20, 100), 1000, id="at most one percent of the time"),
    ],
)
def test_auto_seconds(measured, seconds):
    assert auto_seconds(measured) == pytest.approx(seconds)


@pytest.mark.parametrize("blocked", [0.0, 1e-6, 0.01, 1.0, 50.0])
@pytest.mark.parametrize("duration", [0.0, 5.0, 3000.0])
@pytest.mark.parametrize("between", [1.0, 60.0, 3600.0, 1e6])
def test_auto_stays_in_its_bounds(blocked, duration, between):
    seconds = auto_seconds(Measured(blocked, duration, between))
    assert seconds >= max(60.0, duration)
    assert blocked / seconds <= 0.01 + 1e-12
    bounds = (60.0, duration, blocked / 0.01, math.sqrt(2 * blocked * between))
    assert seconds == max(bounds)


def test_auto_follows_what_is_measured():
    schedule = Schedule(Every(), START)
    schedule.measured = Measured(between_interruptions=20_000)
    schedule.measure(blocked=1.0, duration=10.0)
    assert schedule.measured == Measured(1.0, 10.0, 20_000)
    assert not schedule.is_due(Progress(299.0))
    assert schedule.is_due(Progress(300.1))
