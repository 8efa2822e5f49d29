"""What is to be done about a TrainingJob: an ordered list of checks, the first of which that has
something to say decides. Nothing is remembered between two calls but what the API holds.

Each call goes at most one step: an attempt's end is counted in one, and the next attempt started in
another, so that after a crash anywhere the same steps follow and nothing is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from perdure_operator.decide.accepted import problem as problem_of
from perdure_operator.decide.catch_up import caught_up, started
from perdure_operator.decide.conditions import accepted
from perdure_operator.decide.count import count_end
from perdure_operator.decide.deadline import seconds_left
from perdure_operator.decide.ended import end_of_attempt
from perdure_operator.decide.grace import grace_for_next
from perdure_operator.decide.housekeeping import keep_house
from perdure_operator.decide.live import follow
from perdure_operator.decide.look import Look
from perdure_operator.decide.observed import Seen
from perdure_operator.decide.plan import DeleteTrainingJob, Plan, Start
from perdure_operator.decide.request import understood
from perdure_operator.decide.types import TERMINAL, Phase
from perdure_operator.decide.warnings import warn
from perdure_operator.model.status import JobStatus, Result
from perdure_operator.model.times import epoch, rfc3339

_CROWDED_SECONDS = 10.0
_REFUSED_SECONDS = 30.0


def reconcile(seen: Seen, *, now: float, default_store: str | None = None) -> Plan:
    """What to do about what was `seen` at `now`, seconds since the epoch."""
    look = _look(seen, now, default_store)
    plan = next(filter(None, (check(look) for check in _CHECKS)))
    plan = keep_house(look, plan)
    return replace(plan, status=warn(look, plan.status))


def not_started(seen: Seen, refusal: str, *, now: float, default_store: str | None = None) -> Plan:
    """What is so where the API has refused the next attempt's Job: a quota may be freed, or a
    policy changed, without any event for us.
    """
    look = _look(seen, now, default_store)
    message = f"the API server refuses the Job of the next attempt: {refusal}"
    status = look.in_phase(look.status, Phase.PENDING, "JobRefused", message)
    return Plan(warn(look, status), look_again_after=_REFUSED_SECONDS)


def _look(seen: Seen, now: float, default_store: str | None) -> Look:
    look = caught_up(Look(seen, now, default_store))
    return look.with_status(_accepted(look))


def _accepted(look: Look) -> JobStatus:
    problem = problem_of(look.spec, look.default_store)
    return accepted(look.status, problem, now=look.now, generation=look.generation)


def _over(look: Look) -> Plan | None:
    """A terminal phase stays terminal: a Job that was created too late is an ended attempt."""
    if look.status.phase not in TERMINAL:
        return None
    attempt = look.seen.attempt
    status = look.status.model_copy(update={"attempt": attempt, "ended_attempt": attempt})
    keep = look.spec.ttl_seconds_after_finished
    if keep is None or status.completion_time is None:
        return Plan(status)
    left = epoch(status.completion_time) + keep - look.now
    return Plan(status, look_again_after=left) if left > 0 else Plan(status, (DeleteTrainingJob(),))


def _ended(look: Look) -> Plan | None:
    end = end_of_attempt(look.seen) if look.is_live else None
    return count_end(look, end) if end else None


def _live(look: Look) -> Plan | None:
    return follow(look) if look.is_live else None


def _refused(look: Look) -> Plan | None:
    problem = problem_of(look.spec, look.default_store)
    if problem is None:
        return None
    return Plan(look.in_phase(look.status, Phase.PENDING, problem.reason, problem.message))


def _suspended(look: Look) -> Plan | None:
    if not look.spec.suspend:
        return None
    message = "set spec.suspend to false and the job goes on from its last checkpoint"
    status = look.in_phase(look.status, Phase.SUSPENDED, "Suspended", message)
    return Plan(status.model_copy(update={"next_attempt_time": None}))


def _too_late(look: Look) -> Plan | None:
    deadline = look.spec.active_deadline_seconds
    if _deadline_in(look) > 0:
        return None
    message = f"spec.activeDeadlineSeconds, {deadline}, are over"
    status = look.in_phase(look.status, Phase.FAILED, "DeadlineExceeded", message)
    update = {
        "completion_time": rfc3339(look.now),
        "next_attempt_time": None,
        "result": Result(reason="DeadlineExceeded", message=message),
    }
    return Plan(status.model_copy(update=update))


def _deadline_in(look: Look) -> float:
    left = seconds_left(look.started, look.now, look.spec.active_deadline_seconds)
    return math.inf if left is None else left


def _crowded(look: Look) -> Plan | None:
    """No two trainers of one job: what is left of an earlier attempt must be gone first."""
    alive = [pod for pod in look.seen.pods if not pod.has_ended]
    if not alive:
        return None
    message = (
        f"pod {alive[0].name}, which has this job's label, has not ended yet, and no two trainers "
        "of a job run at once. If nothing ends it, delete it"
    )
    status = look.in_phase(look.status, Phase.PENDING, "PodNotGone", message)
    return Plan(status, look_again_after=min(_CROWDED_SECONDS, _deadline_in(look)))


def _backing_off(look: Look) -> Plan | None:
    until = look.status.next_attempt_time
    left = epoch(until) - look.now if until else 0.0
    if left <= 0:
        return None
    return Plan(look.status, look_again_after=min(left, _deadline_in(look)))


def _start(look: Look) -> Plan:
    attempt = look.seen.next_attempt
    start = Start(
        attempt,
        _image(look),
        look.store,
        grace_for_next(
            look.spec.termination_grace_period_seconds, look.status.grace_needed_seconds
        ),
        understood(look.seen.request),
    )
    return Plan(started(look, attempt, look.spec.run, look.now), (start,))


def _image(look: Look) -> str:
    """The image of the first attempt, by digest, until the spec names another one."""
    pinned, requested = look.status.image, look.spec.image
    assert requested is not None, "refused before"
    return pinned.resolved if pinned and pinned.requested == requested else requested


_CHECKS: tuple[Callable[[Look], Plan | None], ...] = (
    _over,
    _ended,
    _live,
    _refused,
    _suspended,
    _too_late,
    _crowded,
    _backing_off,
    _start,
)
