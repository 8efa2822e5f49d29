"""Conditions that are there only while there is something to say: each names the cure."""

from __future__ import annotations

import math
from collections.abc import Callable

from perdure.contract.status import Status
from perdure_operator.decide.conditions import Type, warned
from perdure_operator.decide.grace import grace_for_next
from perdure_operator.decide.look import Look
from perdure_operator.decide.observed import Pod, Problem
from perdure_operator.decide.request import refused
from perdure_operator.decide.shells import shell_in_front
from perdure_operator.decide.types import TERMINAL
from perdure_operator.model.status import JobStatus

_SILENT_SECONDS = 60.0
_WITHOUT_PROGRESS = 3


def warn(look: Look, status: JobStatus) -> JobStatus:
    """`status` with the warnings that hold now, and without those that hold no longer.

    What was found of a trainer stays said until it, or the next one, is known to be otherwise: an
    operator that has just begun has asked nobody yet.
    """
    for kind, check in _ALWAYS.items():
        status = _warned(look, status, kind, check(look, status))
    if status.phase in TERMINAL:
        for kind in (Type.PROGRESS_UNKNOWN, *_OF_A_REPORT):
            status = _warned(look, status, kind, None)
        return status
    pod = look.seen.pod_of(look.seen.attempt)
    if pod is None or not pod.running:
        return status
    silence = _progress_unknown(look, pod)
    if silence or (pod.report and pod.silent_since is None):
        status = _warned(look, status, Type.PROGRESS_UNKNOWN, silence)
    if pod.report:
        for kind, of_report in _OF_A_REPORT.items():
            status = _warned(look, status, kind, of_report(look, pod.report))
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
        f"{times} attempts in a row brought no newer checkpoint. If they are interrupted sooner than "
        "the program starts and saves, set a shorter spec.checkpoint.interval.",
    )


def _request_refused(look: Look, status: JobStatus) -> Problem | None:
    return refused(look.seen.request)


def _progress_unknown(look: Look, pod: Pod) -> Problem | None:
    if pod.silent_since is None or look.now < pod.silent_since + _SILENT_SECONDS:
        return None
    return Problem(
        "TrainerSilent",
        f"pod {pod.name} has not answered on its metrics port for more than a minute. Either the "
        "program has not come to perdure.callbacks(...), or a NetworkPolicy keeps the operator out.",
    )


def _signals_swallowed(look: Look, report: Status) -> Problem | None:
    """A shell that is told to stop does not tell its child; only one that is PID 1 matters."""
    return shell_in_front(look.spec.command + look.spec.args) if report.pid > 1 else None


def _grace_too_short(look: Look, report: Status) -> Problem | None:
    """Of the pod that runs, whose grace cannot be changed any more."""
    asked = look.spec.termination_grace_period_seconds
    pod = look.seen.pod_of(look.seen.attempt)
    given = (pod.grace_seconds if pod else None) or asked
    if report.grace_needed_seconds is None or report.grace_needed_seconds <= given:
        return None
    needed = math.ceil(report.grace_needed_seconds)
    comes = grace_for_next(asked, needed)
    return Problem(
        "SaveTakesLonger",
        f"to lose no step a trainer that is told to go needs up to {needed} s, and this one has {given} s. "
        f"The next attempt is given {comes} s; spec.terminationGracePeriodSeconds: expected at least "
        f"{needed} for all of them. Received: {asked}.",
    )


_ALWAYS: dict[Type, Callable[[Look, JobStatus], Problem | None]] = {
    Type.FIELDS_IGNORED: _fields_ignored,
    Type.NO_PROGRESS: _no_progress,
    Type.REQUEST_REFUSED: _request_refused,
}
_OF_A_REPORT: dict[Type, Callable[[Look, Status], Problem | None]] = {
    Type.SIGNALS_SWALLOWED: _signals_swallowed,
    Type.GRACE_TOO_SHORT: _grace_too_short,
}
