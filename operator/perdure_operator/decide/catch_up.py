"""What has become so before anything is decided: another run was asked for, a suspended job may go
on, or an attempt was started by an operator that ended before it could write so.
"""

from __future__ import annotations

from perdure_operator.decide.conditions import Type
from perdure_operator.decide.look import Look
from perdure_operator.decide.types import TERMINAL, Phase
from perdure_operator.model.status import JobStatus
from perdure_operator.model.times import epoch, rfc3339


def caught_up(look: Look) -> Look:
    """The same look with the status as it would be had no operator ever been interrupted."""
    look = _resumed(look)
    job = look.seen.job_of(look.seen.attempt)
    if job is None or job.attempt <= look.status.attempt:
        return look if look.is_live else _begun_anew(look, look.spec.run, look.seen.attempt)
    begun = _begun_anew(look, job.run, job.attempt - 1)
    if begun.status.phase in TERMINAL:  # a start that came too late, and is no attempt of this run
        return look
    return begun.with_status(started(begun, job.attempt, job.run, job.created))


def started(look: Look, attempt: int, run: str, at: float) -> JobStatus:
    """The status with `attempt` of `run` started."""
    return look.in_phase(
        look.status, Phase.PENDING, "Starting", f"attempt {attempt} is being started"
    ).model_copy(
        update={
            "attempt": attempt,
            "ended_attempt": attempt - 1,
            "run": run,
            "program": look.seen.program,
            "start_time": look.status.start_time or rfc3339(at),
            "next_attempt_time": None,
            "ready": f"0/{look.spec.workers}",
            "trainer": None,
        }
    )


def _begun_anew(look: Look, run: str, attempt: int) -> Look:
    """Another run, or a finished one of a changed program that is to go on, begins with a new
    status; numbers of attempts go on, so that no Job's name is used twice.
    """
    status = look.status
    another_run = status.run is not None and status.run != run
    continued = (
        status.phase == Phase.SUCCEEDED
        and look.spec.continue_
        and status.program != look.seen.program
    )
    if not (another_run or continued):
        return look
    anew = JobStatus(attempt=attempt, ended_attempt=attempt, request=status.request)
    return look.with_status(anew)


def _resumed(look: Look) -> Look:
    """The time for which a job was suspended is none that it had."""
    suspended = look.status.condition(Type.SUSPENDED)
    if look.spec.suspend or suspended is None or suspended.status != "True":
        return look
    status = look.in_phase(look.status, Phase.PENDING, "Resumed", "spec.suspend is false again")
    since = epoch(suspended.last_transition_time) if suspended.last_transition_time else look.now
    begun = rfc3339(look.started + look.now - since) if status.start_time else None
    return look.with_status(status.model_copy(update={"start_time": begun}))
