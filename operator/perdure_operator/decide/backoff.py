"""How long to wait before the next attempt."""

from __future__ import annotations

from perdure.contract.exits import Counted
from perdure_operator.decide.types import Counters

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 600.0


def delay_seconds(counters: Counters, counted: Counted) -> float:
    """1, 2, 4 ... 600 s by the number of attempts in a row without a newer checkpoint.

    After progress, what was taken away comes back at once; a failure waits the first step, because
    what made it fail is probably still there.
    """
    if counters.no_progress:
        return float(min(FIRST_SECONDS * 2 ** min(counters.no_progress - 1, 30), LONGEST_SECONDS))
    return 0.0 if counted in {Counted.PREEMPTION, Counted.DIVERGENCE} else FIRST_SECONDS
