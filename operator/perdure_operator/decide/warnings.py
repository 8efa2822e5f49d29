"""Conditions that are there only while there is something to say: each names the cure."""

from __future__ import annotations

from collections.abc import Callable

from perdure.contract.requests import Request
from perdure_operator.decide.conditions import Type, warned
from perdure_operator.decide.look import Look
from perdure_operator.decide.observed import Pod, Problem
from perdure_operator.decide.shells import shell_in_front
from perdure_operator.model.status import JobStatus

_SILENT_SECONDS = 60.0
_WITHOUT_PROGRESS = 3


def warn(look: Look, status: JobStatus) -> JobStatus:
    """`status` with the warnings that hold now, and without those that hold no longer.

    What a running trainer says of itself stays said until the next one can say it anew.
    """
    pod = look.seen.pod_of(look.seen.attempt)
    for kind, check in _ALWAYS.items():
        status = _warned(look, status, kind, check(look, status))
    if pod is None or not pod.running:
        return status
    for kind, of_pod in _WHILE_RUNNING.items():
        status = _warned(look, status, kind, of_pod(look, pod))
    return status


def _warned(look: Look, status: JobStatus, kind: Type, problem: Problem | None) -> JobStatus:
    return warned(status, kind, problem, now=look.now, generation=look.generation)


def _fields_ignored(look: Look, status: JobStatus) -> Problem | None:
    if not look.seen.ignored_fields:
        return None
    return Problem("UnknownFields", " ".join(look.seen.ignored_fields))


def _no_progress(look: Look, status: JobStatus) -> Problem | None:
    times = status.retries.no_progress
    if times < _WITHOUT_PROGRESS:
        return None
    return Problem(
        "NoNewCheckpoint",
        f"{times} attempts in a row brought no newer checkpoint. Is the time between interruptions "
        "shorter than spec.checkpoint.interval and the start of the program?",
    )


def _request_refused(look: Look, status: JobStatus) -> Problem | None:
    if look.seen.request is None:
        return None
    try:
        Request.from_json(look.seen.request)
    except ValueError as error:
        return Problem("NotUnderstood", f"annotation perdure.dev/request: {error}")
    return None


def _progress_unknown(look: Look, pod: Pod) -> Problem | None:
    if pod.silent_since is None or look.now < pod.silent_since + _SILENT_SECONDS:
        return None
    return Problem(
        "TrainerSilent",
        f"pod {pod.name} has not answered on its metrics port for more than a minute: the program "
        "does not use perdure.callbacks(...), or a NetworkPolicy keeps the operator out.",
    )


def _signals_swallowed(look: Look, pod: Pod) -> Problem | None:
    """A shell that is told to stop does not tell its child; only one that is PID 1 matters."""
    pid = pod.report.pid if pod.report else 0
    return shell_in_front(look.spec.command + look.spec.args) if pid > 1 else None


def _grace_too_short(look: Look, pod: Pod) -> Problem | None:
    needed = pod.report.grace_needed_seconds if pod.report else None
    given = look.spec.termination_grace_period_seconds
    if needed is None or needed <= given:
        return None
    return Problem(
        "SaveTakesLonger",
        f"spec.terminationGracePeriodSeconds: expected at least {needed:.0f}, which a save takes. "
        f"Received: {given}.",
    )


_ALWAYS: dict[Type, Callable[[Look, JobStatus], Problem | None]] = {
    Type.FIELDS_IGNORED: _fields_ignored,
    Type.NO_PROGRESS: _no_progress,
    Type.REQUEST_REFUSED: _request_refused,
}
_WHILE_RUNNING: dict[Type, Callable[[Look, Pod], Problem | None]] = {
    Type.PROGRESS_UNKNOWN: _progress_unknown,
    Type.SIGNALS_SWALLOWED: _signals_swallowed,
    Type.GRACE_TOO_SHORT: _grace_too_short,
}
