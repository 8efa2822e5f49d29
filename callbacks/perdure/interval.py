"""When to save: the user's interval, or on `auto` the one that costs least, within a budget.

The formula is Daly's, "A higher order estimate of the optimum checkpoint interval for restart dumps",
Future Generation Computer Systems 22(3), 2006, eq. (37), an extension of Young's sqrt(2 C M), CACM 17(9),
1974. There C is what one save takes from training and M the mean time between interruptions.
Here a save goes on in the background, so C is only what training is slower for it. What a
background save takes longer until it is committed makes each loss greater by the same, whatever the
interval, and so does not move the optimum.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import NamedTuple

from perdure.contract.interval import Budget, Every

ASSUMED_SECONDS_BETWEEN_INTERRUPTIONS = 3600.0
SECONDS_PER_HOUR = 3600.0
REMEMBERED_SAVES = 5
NEWS_FACTOR = 2.0


@dataclass(frozen=True)
class Cost:
    """What a save cost: the seconds that it took from training (blocked, and slower steps until it was
    committed), its duration in seconds, bytes and requests sent.
    """

    training_seconds: float = 0.0
    duration: float = 0.0
    sent_bytes: float = 0.0
    requests: float = 0.0


@dataclass(frozen=True)
class Interruptions:
    """How often a lineage was interrupted in `age_seconds`."""

    count: int = 0
    age_seconds: float = 0.0

    def seconds_between(self, more_seconds: float) -> float:
        """The expected time between two, `more_seconds` after this was counted.

        One more than was counted is assumed, in one more hour than has passed: before the first an hour,
        and what is observed outweighs that soon.
        """
        age = ASSUMED_SECONDS_BETWEEN_INTERRUPTIONS + self.age_seconds + more_seconds
        return age / (1 + self.count)


class Bound(StrEnum):
    """What decided an interval."""

    SETTING = "setting"
    UNMEASURED = "nothing measured yet"
    DALY = "Young/Daly"
    MINIMUM = "minimum"
    DURATION = "save duration"
    OVERHEAD = "overhead budget"
    BYTES = "bytes per hour"
    REQUESTS = "requests per hour"


@dataclass(frozen=True)
class Interval:
    """Seconds from the begin of a save to the begin of the next, and what decided them."""

    seconds: float
    bound: Bound

    def is_news(self, before: Interval | None) -> bool:
        """Whether it differs enough from `before` to be said."""
        if before is None or before.bound is not self.bound:
            return True
        ratio = self.seconds / before.seconds
        return not 1 / NEWS_FACTOR < ratio < NEWS_FACTOR


def daly_seconds(cost: float, between: float) -> float:
    """The best time from save to save: Daly's optimum of training in between, and the save itself.

    Args:
        cost: C, the seconds that a save takes from training.
        between: M, the mean seconds between interruptions.
    """
    if cost >= 2 * between:
        return between + cost
    share = cost / (2 * between)
    return math.sqrt(2 * cost * between) * (1 + math.sqrt(share) / 3 + share / 9)


def auto_interval(cost: Cost | None, between: float, budget: Budget) -> Interval:
    """The longest of what the formula wants and of what every bound allows; of equal ones the first.

    Before anything was measured the first save is made after the minimum, but at most a minute: without
    a save nothing is ever measured.
    """
    if cost is None:
        return Interval(min(budget.least_seconds, Budget.least_seconds), Bound.UNMEASURED)
    bounds = (
        Interval(budget.least_seconds, Bound.MINIMUM),
        Interval(daly_seconds(cost.training_seconds, between), Bound.DALY),
        Interval(cost.duration, Bound.DURATION),
        Interval(cost.training_seconds / budget.overhead, Bound.OVERHEAD),
        Interval(SECONDS_PER_HOUR * cost.sent_bytes / budget.bytes_per_hour, Bound.BYTES),
        Interval(SECONDS_PER_HOUR * cost.requests / budget.requests_per_hour, Bound.REQUESTS),
    )
    return max(bounds, key=lambda interval: interval.seconds)


class Progress(NamedTuple):
    """A point in training: seconds on the monotonic clock, steps and epochs of the lineage."""

    seconds: float = 0.0
    steps: int = 0
    epochs: int = 0


class Schedule:
    """Says at each step whether a save is due."""

    def __init__(
        self, every: Every, start: Progress, interruptions: Interruptions | None = None
    ) -> None:
        self._every = every
        self._start = self._last = start
        self._interruptions = interruptions or Interruptions()
        self._costs: deque[Cost] = deque(maxlen=REMEMBERED_SAVES)
        self._is_warm = False
        self._interval = self._said = self._decide(start)

    @property
    def interval(self) -> Interval | None:
        """The interval in force; None where it is not counted in seconds."""
        return self._interval

    def is_due(self, at: Progress) -> bool:
        """Whether `at` is far enough from the last save."""
        if self._interval is not None:
            return at.seconds - self._last.seconds >= self._interval.seconds
        if self._every.unit == "steps":
            return at.steps - self._last.steps >= self._every.count
        return at.epochs - self._last.epochs >= self._every.count

    def saved(self, at: Progress) -> None:
        """A save began at `at`."""
        self._last = at

    def measured(self, cost: Cost, at: Progress) -> Interval | None:
        """A save that has ended by `at` has cost this; the interval follows the median of the newest.

        The first of a process counts for nothing: it also traces the function that reads the variables,
        opens connections, and sends what later ones find in the store. Returns the interval if it is news.
        """
        if not self._is_warm:
            self._is_warm = True
            return None
        self._costs.append(cost)
        self._interval = self._decide(at)
        if self._interval is None or not self._interval.is_news(self._said):
            return None
        self._said = self._interval
        return self._interval

    def _decide(self, at: Progress) -> Interval | None:
        match self._every.unit:
            case "auto":
                between = self._interruptions.seconds_between(at.seconds - self._start.seconds)
                return auto_interval(self._median(), between, self._every.budget)
            case "s":
                return Interval(self._every.count, Bound.SETTING)
        return None

    def _median(self) -> Cost | None:
        """One save that was unlike the others decides nothing."""
        if not self._costs:
            return None
        return Cost(*map(statistics.median, zip(*map(astuple, self._costs), strict=True)))
