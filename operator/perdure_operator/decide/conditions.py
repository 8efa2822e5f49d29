"""The conditions of a TrainingJob, and the phase that follows from them.

Accepted, Running, Suspended and Succeeded are always there; the others only while there is
something to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from perdure_operator.decide.observed import Problem
from perdure_operator.decide.types import Phase
from perdure_operator.model.status import Condition, JobStatus
from perdure_operator.model.times import rfc3339


class Type(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FIELDS_IGNORED = "FieldsIgnored"
    GRACE_TOO_SHORT = "GraceTooShort"
    NO_PROGRESS = "NoProgress"
    PROGRESS_UNKNOWN = "ProgressUnknown"
    REQUEST_REFUSED = "RequestRefused"
    SIGNALS_SWALLOWED = "SignalsSwallowed"


_UNFINISHED = Problem("Unfinished", "")
_NOT_SUSPENDED = Problem("NotSuspended", "")
_VALUES = {
    Phase.PENDING: ("False", "False", "Unknown"),
    Phase.RUNNING: ("True", "False", "Unknown"),
    Phase.SUSPENDED: ("False", "True", "Unknown"),
    Phase.STOPPED: ("False", "False", "False"),
    Phase.SUCCEEDED: ("False", "False", "True"),
    Phase.FAILED: ("False", "False", "False"),
}
"""Running, Suspended and Succeeded in each phase."""


def phase_of(conditions: Iterable[Condition]) -> Phase:
    """The phase that the conditions amount to."""
    by_type = {condition.type: condition for condition in conditions}
    summary = by_type.get(Type.SUCCEEDED)
    if summary is not None and summary.status != "Unknown":
        if summary.status == "True":
            return Phase.SUCCEEDED
        return Phase.STOPPED if summary.reason == Phase.STOPPED else Phase.FAILED
    for kind, phase in ((Type.SUSPENDED, Phase.SUSPENDED), (Type.RUNNING, Phase.RUNNING)):
        if kind in by_type and by_type[kind].status == "True":
            return phase
    return Phase.PENDING


def in_phase(
    status: JobStatus, phase: Phase, why: Problem, *, now: float, generation: int | None
) -> JobStatus:
    """`status` with the conditions of `phase`, and the phase derived from them."""
    running, suspended, succeeded = _VALUES[phase]
    for kind, value, reason in (
        (Type.RUNNING, running, why),
        (Type.SUSPENDED, suspended, why if suspended == "True" else _NOT_SUSPENDED),
        (Type.SUCCEEDED, succeeded, why if succeeded != "Unknown" else _UNFINISHED),
    ):
        status = _set(status, kind, value, reason, now=now, generation=generation)
    return status.model_copy(
        update={
            "phase": str(phase_of(status.conditions)),
            "reason": why.reason,
            "message": why.message,
        }
    )


def accepted(
    status: JobStatus, problem: Problem | None, *, now: float, generation: int | None
) -> JobStatus:
    """`status` of the spec of `generation`, with what is wrong with it, or that nothing is."""
    why = problem or Problem("Accepted", "")
    value = "False" if problem else "True"
    status = status.model_copy(update={"observed_generation": generation})
    return _set(status, Type.ACCEPTED, value, why, now=now, generation=generation)


def warned(
    status: JobStatus, kind: Type, problem: Problem | None, *, now: float, generation: int | None
) -> JobStatus:
    """`status` with the warning `kind`, or without it."""
    if problem is not None:
        return _set(status, kind, "True", problem, now=now, generation=generation)
    kept = [c for c in status.conditions if c.type != kind]
    if len(kept) == len(status.conditions):
        return status
    return status.model_copy(update={"conditions": kept})


def _set(
    status: JobStatus,
    kind: Type,
    value: str,
    why: Problem,
    *,
    now: float,
    generation: int | None,
) -> JobStatus:
    before = status.condition(kind)
    same = before is not None and before.status == value
    condition = Condition(
        type=str(kind),
        status=value,
        reason=why.reason,
        message=why.message,
        last_transition_time=before.last_transition_time if before and same else rfc3339(now),
        observed_generation=generation,
    )
    others = [c for c in status.conditions if c.type != kind]
    ordered = sorted([*others, condition], key=_place)
    return status.model_copy(update={"conditions": ordered})


def _place(condition: Condition) -> int:
    """Ours in their order, then what others have put there."""
    return next((n for n, kind in enumerate(Type) if kind == condition.type), len(Type))
