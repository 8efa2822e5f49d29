"""When to save: the user's interval, or Young's formula from what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from perdure.contract.environment import Every

LEAST_SECONDS = 60.0
OVERHEAD_BUDGET = 0.01
ASSUMED_SECONDS_BETWEEN_INTERRUPTIONS = 3600.0


@dataclass(frozen=True)
class Measured:
    """What saves cost so far, and how often this lineage is interrupted (seconds)."""

    blocked: float = 0.0
    duration: float = 0.0
    between_interruptions: float = ASSUMED_SECONDS_BETWEEN_INTERRUPTIONS


def auto_seconds(measured: Measured) -> float:
    """Seconds between saves: sqrt(2 C M) (Young, CACM 1974) with C the time that a save takes from
    training and M the time between interruptions; at least a minute, at least what one save takes,
    and at most `OVERHEAD_BUDGET` of the time.
    """
    young = math.sqrt(2 * measured.blocked * measured.between_interruptions)
    return max(LEAST_SECONDS, young, measured.duration, measured.blocked / OVERHEAD_BUDGET)


@dataclass(frozen=True)
class Progress:
    """A point in training: seconds on the monotonic clock, steps and epochs of the lineage."""

    seconds: float = 0.0
    steps: int = 0
    epochs: int = 0


class Schedule:
    """Says at each step whether a save is due."""

    def __init__(self, every: Every, start: Progress) -> None:
        self._every = every
        self._last = start
        self.measured = Measured()

    def is_due(self, at: Progress) -> bool:
        """Whether `at` is far enough from the last save."""
        match self._every.unit:
            case "steps":
                return at.steps - self._last.steps >= self._every.count
            case "epochs":
                return at.epochs - self._last.epochs >= self._every.count
            case "s":
                return at.seconds - self._last.seconds >= self._every.count
        return at.seconds - self._last.seconds >= auto_seconds(self.measured)

    def saved(self, at: Progress) -> None:
        """A save began at `at`."""
        self._last = at

    def measure(self, *, blocked: float, duration: float) -> None:
        """A save blocked training for `blocked` seconds and took `duration` in all."""
        self.measured = replace(self.measured, blocked=blocked, duration=duration)
