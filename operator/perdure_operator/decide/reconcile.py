"""What is to be done about a TrainingJob: an ordered list of checks, the first of which that has
something to say decides. Nothing is remembered between two calls but what the API holds.

Each call goes at most one step: an attempt's end is counted in one, and the next attempt started in
another, so that after a crash anywhere the same steps follow and nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from perdure_operator.build.environment import program
from perdure_operator.decide.accepted import problem as problem_of
from perdure_operator.decide.conditions import accepted
from perdure_operator.decide.count import count_end
from perdure_operator.decide.deadline import seconds_left
from perdure_operator.decide.ended import end_of_attempt
from perdure_operator.decide.housekeeping import keep_house
from perdure_operator.decide.live import follow
from perdure_operator.decide.look import Look
from perdure_operator.decide.observed import Seen
from perdure_operator.decide.plan import DeleteTrainingJob, Plan, Start
from perdure_operator.decide.types import TERMINAL, Phase
from perdure_operator.decide.warnings import warn
from perdure_operator.model.status import JobStatus
from perdure_operator.model.times import epoch, rfc3339


def reconcile(seen: Seen, *, now: float, default_store: str | None = None) -> Plan:
    """What to do about what was `seen` at `now`, seconds since the epoch."""
    look = _begun_anew(Look(seen, now, default_store))
    look = look.with_status(_accepted(look))
    plan = next(filter(None, (check(look) for check in _CHECKS)))
    plan = keep_house(look, plan)
    return replace(plan, status=warn(look, plan.status))


def _begun_anew(look: Look) -> Look:
    """Another run, or a finished one of a changed program that is to go on, begins with a new
    status; numbers of attempts go on, so that no Job's name is used twice.
    """
    status, spec = look.status, look.spec
    another_run = status.run is not None and status.run != spec.run
    continued = (
        status.phase == Phase.SUCCEEDED and spec.continue_ and status.program != program(spec)
    )
    if look.is_live or not (another_run or continued):
        return look
    attempt = look.seen.attempt
    anew = JobStatus(attempt=attempt, ended_attempt=attempt, request=status.request)
    return look.with_status(anew)


def _accepted(look: Look) -> JobStatus:
    problem = problem_of(look.spec, look.default_store)
    return accepted(look.status, problem, now=look.now, generation=look.generation)


def _over(look: Look) -> Plan | None:
    """A terminal phase stays terminal."""
    if look.status.phase not in TERMINAL:
        return None
    status = look.status.model_copy(update={"observed_generation": look.generation})
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
    return Plan(look.in_phase(look.status, Phase.SUSPENDED, "Suspended", message))


def _too_late(look: Look) -> Plan | None:
    if look.status.phase == Phase.SUSPENDED:
        return None
    deadline = look.spec.active_deadline_seconds
    if seconds_left(look.started, look.now, deadline) != 0:
        return None
    message = f"spec.activeDeadlineSeconds, {deadline}, are over"
    status = look.in_phase(look.status, Phase.FAILED, "DeadlineExceeded", message)
    return Plan(status.model_copy(update={"completion_time": rfc3339(look.now)}))


def _crowded(look: Look) -> Plan | None:
    """No two trainers of one job: what is left of an earlier attempt must be gone first."""
    alive = [pod for pod in look.seen.pods if not pod.has_ended]
    if not alive:
        return None
    message = f"pod {alive[0].name} of an earlier attempt has not ended yet"
    return Plan(
        look.in_phase(look.status, Phase.PENDING, "PodNotGone", message), look_again_after=10.0
    )


def _backing_off(look: Look) -> Plan | None:
    until = look.status.next_attempt_time
    left = epoch(until) - look.now if until else 0.0
    return Plan(look.status, look_again_after=left) if left > 0 else None


def _start(look: Look) -> Plan:
    attempt = look.seen.attempt + 1
    resumed = look.status.phase == Phase.SUSPENDED
    begun = rfc3339(look.now) if resumed else rfc3339(look.started)
    status = look.in_phase(
        look.status, Phase.PENDING, "Starting", f"attempt {attempt} is being started"
    ).model_copy(
        update={
            "attempt": attempt,
            "ended_attempt": attempt - 1,
            "run": look.spec.run,
            "program": look.program,
            "start_time": begun,
            "next_attempt_time": None,
            "ready": f"0/{look.spec.workers}",
            "trainer": None,
        }
    )
    grace = look.spec.termination_grace_period_seconds
    start = Start(attempt, _image(look), look.store, grace, look.seen.request)
    return Plan(status, (start,))


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
