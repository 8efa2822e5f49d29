"""How many attempts of each kind may be followed by another one."""

from __future__ import annotations

from dataclasses import dataclass

from perdure_operator.decide.types import Counters
from perdure_operator.model.retries import Retries


@dataclass(frozen=True)
class Exhausted:
    """A budget that is used up."""

    reason: str
    message: str


def exhausted(counters: Counters, retries: Retries) -> Exhausted | None:
    """The first budget of which more is used than `retries` gives."""
    budgets = (
        ("TooManyFailures", "failures", "failed", counters.failures, retries.failures),
        (
            "TooManyInfrastructureFailures",
            "infrastructure",
            "ended for want of what they need",
            counters.infrastructure,
            retries.infrastructure,
        ),
        (
            "TooManyPreemptions",
            "preemptions",
            "were preempted",
            counters.preemptions,
            retries.preemptions,
        ),
        (
            "NoProgress",
            "noProgress",
            "in a row brought no newer checkpoint",
            counters.no_progress,
            retries.no_progress,
        ),
    )
    for reason, field, what, used, limit in budgets:
        if limit is not None and used > limit:
            return Exhausted(reason, f"{used} attempts {what}; spec.retries.{field} is {limit}")
    return None
