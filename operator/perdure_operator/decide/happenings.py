"""What a user is told as a Kubernetes Event: the differences between two statuses."""

from __future__ import annotations

from dataclasses import dataclass

from perdure_operator.decide.types import TERMINAL, Phase
from perdure_operator.model.status import JobStatus


@dataclass(frozen=True)
class Happening:
    """An Event: one word, and a sentence. A warning is something that somebody should look at."""

    reason: str
    message: str
    action: str
    is_warning: bool = False


def happenings(before: JobStatus, after: JobStatus) -> list[Happening]:
    """What happened between the two, in the order in which it did."""
    return [
        *_ended(before, after),
        *_started(before, after),
        *_warned(before, after),
        *_over(before, after),
    ]


def _ended(before: JobStatus, after: JobStatus) -> list[Happening]:
    if after.ended_attempt == before.ended_attempt or after.phase in _SAID_AS_OVER:
        return []
    failed = after.retries.failure > before.retries.failure
    return [Happening(after.reason or "Ended", after.message or "", "EndAttempt", failed)]


def _started(before: JobStatus, after: JobStatus) -> list[Happening]:
    if after.attempt <= max(before.attempt, after.ended_attempt):
        return []
    return [Happening("AttemptStarted", f"attempt {after.attempt} was started", "StartAttempt")]


def _warned(before: JobStatus, after: JobStatus) -> list[Happening]:
    """Problems that came up: a condition's, or one that keeps the pod from running."""
    known = {(c.type, c.reason) for c in before.conditions}
    always = {"Accepted", "Running", "Suspended", "Succeeded"}
    new = [
        Happening(c.reason, c.message, "Warn", is_warning=True)
        for c in after.conditions
        if c.type not in always and (c.type, c.reason) not in known
    ]
    is_stuck = after.phase == Phase.PENDING and after.reason not in _EXPECTED
    if is_stuck and after.reason != before.reason and after.ended_attempt == before.ended_attempt:
        new.append(Happening(after.reason or "", after.message or "", "Wait", is_warning=True))
    return new


def _over(before: JobStatus, after: JobStatus) -> list[Happening]:
    if after.phase == before.phase or after.phase not in _SAID_AS_OVER:
        return []
    reason = after.reason or str(after.phase)
    return [Happening(reason, after.message or "", "EndJob", after.phase == Phase.FAILED)]


_EXPECTED = frozenset({None, "Starting", "PodNotGone", "Resumed", "SpecChanged"})
_SAID_AS_OVER = TERMINAL | {Phase.SUSPENDED}
