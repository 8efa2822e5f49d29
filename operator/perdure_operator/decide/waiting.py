"""Whether a job that waits for its next attempt still gets it."""

from __future__ import annotations

from perdure_operator.decide.deadline import seconds_left
from perdure_operator.decide.types import Decision, Phase
from perdure_operator.model.job import Spec


def decide_waiting(
    pending: Decision, spec: Spec, *, asked_to_stop: bool, started: float, now: float
) -> Decision | None:
    """The end of the waiting, if it must not go on to the attempt that `pending` announced."""
    if asked_to_stop:
        message = f"stopped while waiting for attempt {pending.start_attempt}"
        return Decision(Phase.SUSPENDED, "AskedToStop", message, pending.counters)
    if seconds_left(started, now, spec.active_deadline_seconds) == 0:
        message = f"spec.activeDeadlineSeconds, {spec.active_deadline_seconds}, are over"
        return Decision(Phase.FAILED, "DeadlineExceeded", message, pending.counters)
    return None
