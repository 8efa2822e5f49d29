"""Which budget an ended attempt is charged to."""

from __future__ import annotations

from dataclasses import replace

from perdure.contract.exits import Counted, counted_as
from perdure_operator.decide.types import AttemptEnd, Counters

_COUNTER = {
    Counted.FAILURE: "failures",
    Counted.INFRASTRUCTURE: "infrastructure",
    Counted.PREEMPTION: "preemptions",
    Counted.DIVERGENCE: "divergence",
}


def charged_to(end: AttemptEnd) -> Counted:
    """The budget for `end`.

    A process that was taken away and could not say its last word was preempted; what it did say
    counts, because a program may fail by itself just before it would have been killed.
    """
    if end.disrupted and end.ending is None and end.exit_code != 0:
        return Counted.PREEMPTION
    if end.is_fenced:
        return Counted.INFRASTRUCTURE
    return counted_as(end.code, has_message=end.ending is not None)


def charge(counters: Counters, counted: Counted) -> Counters:
    """`counters` with one more in the budget `counted`."""
    name = _COUNTER.get(counted)
    return replace(counters, **{name: getattr(counters, name) + 1}) if name else counters
