"""The end of an attempt: counted once, in the status, before anything follows from it."""

from __future__ import annotations

import math

from perdure_operator.decide.hopeless import hopeless
from perdure_operator.decide.look import Look
from perdure_operator.decide.next_attempt import decide
from perdure_operator.decide.observed import Problem
from perdure_operator.decide.outdated import is_outdated
from perdure_operator.decide.plan import ConfirmGone, Plan
from perdure_operator.decide.reporting import at_rest, reported, with_time_of
from perdure_operator.decide.request import state
from perdure_operator.decide.types import TERMINAL, AttemptEnd, Counters, Decision, Phase
from perdure_operator.model.status import JobStatus, Result, Retries
from perdure_operator.model.times import rfc3339


def count_end(look: Look, end: AttemptEnd) -> Plan:
    """The status after `end`: charged to its budget, with what follows. The Job of the attempt is
    suspended with it, lest the Job controller start another pod.
    """
    status = _with_last_report(look, end)
    decision = _superseded(look, end) or _decided(look, end)
    status = _followed(look, status, decision, end).model_copy(
        update={"attempt": end.attempt, "ended_attempt": end.attempt, "trainer": None}
    )
    rests_on = () if look.seen.job_of(end.attempt) else (ConfirmGone(end.attempt),)
    return Plan(status, rests_on, None if status.phase in TERMINAL else 0.0)


def _with_last_report(look: Look, end: AttemptEnd) -> JobStatus:
    if end.status is None:
        progress = look.status.progress
        return look.status.model_copy(update={"progress": progress and at_rest(progress)})
    status = reported(look.status, end.status, store=look.store, at=look.now, running=False)
    time = with_time_of(status.goodput, end.status, look.now - look.started)
    request = state(status.request, look.seen.request, end.status.request_obeyed)
    return status.model_copy(update={"goodput": time, "request": request})


def _decided(look: Look, end: AttemptEnd) -> Decision:
    counters = counters_of(look.status)
    decision = decide(end, counters, look.spec, started=look.started, now=look.now, gives_way=False)
    problem = _hopeless(look, decision)
    if problem is None:
        return decision
    return Decision(Phase.FAILED, problem.reason, problem.message, decision.counters)


def _hopeless(look: Look, decision: Decision) -> Problem | None:
    pod = look.seen.pod_of(look.seen.attempt)
    if decision.phase in {Phase.SUCCEEDED, Phase.SUSPENDED} or pod is None or pod.exit is None:
        return None
    return hopeless(pod.exit, look.spec.image or "")


def _superseded(look: Look, end: AttemptEnd) -> Decision | None:
    """Where something else was asked for, nothing follows from how an attempt ended."""
    if look.status.run is not None and look.status.run != look.spec.run:
        reason, why = "NewRun", f"of run {look.status.run} ended for run {look.spec.run}"
    elif is_outdated(look):
        reason, why = "SpecChanged", "has ended before it began, for the spec has changed"
    else:
        return None
    message = f"attempt {end.attempt} {why}"
    return Decision(Phase.PENDING, reason, message, counters_of(look.status), end.attempt + 1)


def _followed(look: Look, status: JobStatus, decision: Decision, end: AttemptEnd) -> JobStatus:
    status = look.in_phase(status, decision.phase, decision.reason, decision.message)
    waits = decision.start_attempt is not None and decision.delay_seconds > 0
    update: dict[str, object] = {
        "retries": retries_of(decision.counters),
        "ready": f"0/{look.spec.workers}",
        "next_attempt_time": rfc3339(math.ceil(look.now + decision.delay_seconds))
        if waits
        else None,
    }
    if decision.phase in TERMINAL:
        update |= {"completion_time": rfc3339(look.now), "result": _result(decision, end)}
    return status.model_copy(update=update)


def _result(decision: Decision, end: AttemptEnd) -> Result:
    said = end.ending
    return Result(
        reason=decision.reason,
        message=decision.message,
        digest=said.digest if said else None,
        step=end.status.step if end.status else None,
        monitor=said.monitor if said else None,
        best_epoch=said.best_epoch if said else None,
        best_value=said.best_value if said else None,
    )


def counters_of(status: JobStatus) -> Counters:
    """What decisions count with, from the status."""
    retries = status.retries
    return Counters(
        failures=retries.failure,
        infrastructure=retries.infrastructure,
        preemptions=retries.preemption,
        divergence=retries.divergence,
        no_progress=retries.no_progress,
        record=retries.record,
    )


def retries_of(counters: Counters) -> Retries:
    """The counters as the status has them."""
    kinds = {
        "preemption": counters.preemptions,
        "infrastructure": counters.infrastructure,
        "failure": counters.failures,
        "divergence": counters.divergence,
    }
    return Retries(
        **kinds,
        no_progress=counters.no_progress,
        record=counters.record,
        total=sum(kinds.values()),
    )
