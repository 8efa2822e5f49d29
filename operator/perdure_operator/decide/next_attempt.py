"""The decision after an ended attempt: an ordered list of checks, of which the first that has
something to say decides; after all of them the job is started again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perdure.contract.exits import Counted, ExitCode, Reason
from perdure_operator.decide.backoff import delay_seconds
from perdure_operator.decide.budget import exhausted
from perdure_operator.decide.charge import charge, charged_to
from perdure_operator.decide.deadline import seconds_left
from perdure_operator.decide.divergence import learning_rate_factor, may_roll_back
from perdure_operator.decide.progress import count_progress
from perdure_operator.decide.types import AttemptEnd, Counters, Decision, Phase
from perdure_operator.model.job import Spec


@dataclass(frozen=True)
class _Case:
    """All that the checks look at; `counters` have this attempt in them."""

    end: AttemptEnd
    counted: Counted
    counters: Counters
    spec: Spec
    seconds_left: float | None
    gives_way: bool

    def decision(self, phase: Phase, reason: str, message: str) -> Decision:
        return Decision(phase, reason, message, self.counters)


def decide(
    end: AttemptEnd,
    counters: Counters,
    spec: Spec,
    *,
    started: float,
    now: float,
    gives_way: bool = True,
) -> Decision:
    """What follows `end`. `counters` are those before it; `started` is when the job began.

    `gives_way` leaves the job to the process that has fenced this one. Whoever starts one attempt
    after the other does not: there only a straggler of an earlier one can have begun late.
    """
    counted = charged_to(end)
    case = _Case(
        end,
        counted,
        _counted(end, counters, counted),
        spec,
        seconds_left(started, now, spec.active_deadline_seconds),
        gives_way,
    )
    return next(filter(None, (check(case) for check in _CHECKS)), None) or _start_again(case)


def _counted(end: AttemptEnd, counters: Counters, counted: Counted) -> Counters:
    """An attempt that was to end, or ended well, uses no budget and is no want of progress."""
    if end.asked_to_stop or counted is Counted.NOTHING:
        return counters
    return charge(count_progress(end, counters), counted)


def _finished(case: _Case) -> Decision | None:
    if case.end.code != ExitCode.FINISHED:
        return None
    if case.end.ending is None:
        return case.decision(
            Phase.SUCCEEDED,
            Reason.FINISHED,
            "the program exited with 0 without a word from perdure: nothing was saved. "
            "Expected perdure.callbacks(...) among the callbacks of fit",
        )
    return case.decision(Phase.SUCCEEDED, case.end.ending.reason, case.end.ending.message)


def _stopped(case: _Case) -> Decision | None:
    if not case.end.is_our(ExitCode.STOPPED):
        return None
    return case.decision(Phase.STOPPED, Reason.STOPPED, _said(case.end, "stopped on request"))


def _refused(case: _Case) -> Decision | None:
    if not case.end.is_our(ExitCode.REFUSED):
        return None
    return case.decision(Phase.FAILED, Reason.REFUSED, _said(case.end, "refused by the trainer"))


def _suspended(case: _Case) -> Decision | None:
    if not case.end.asked_to_stop:
        return None
    return case.decision(
        Phase.SUSPENDED, "AskedToStop", f"attempt {case.end.attempt} {case.end.description}"
    )


def _fenced(case: _Case) -> Decision | None:
    """Another process continues the lineage: a further attempt would only take it back."""
    if not (case.end.is_fenced and case.gives_way):
        return None
    return case.decision(
        Phase.FAILED, Reason.FENCED, _said(case.end, "another process has taken over this job")
    )


def _diverged(case: _Case) -> Decision | None:
    policy = case.spec.retries.divergence
    if case.counted is not Counted.DIVERGENCE or may_roll_back(case.counters, policy):
        return None
    return case.decision(Phase.FAILED, Reason.DIVERGED, _said(case.end, "training diverged"))


def _too_late(case: _Case) -> Decision | None:
    if case.seconds_left is None or case.seconds_left > 0:
        return None
    seconds = case.spec.active_deadline_seconds
    return case.decision(
        Phase.FAILED, "DeadlineExceeded", f"spec.activeDeadlineSeconds, {seconds}, are over"
    )


def _budget_used_up(case: _Case) -> Decision | None:
    over = exhausted(case.counters, case.spec.retries)
    if over is None:
        return None
    last = f"; the last, attempt {case.end.attempt}, {_told(case.end)}"
    return case.decision(Phase.FAILED, over.reason, over.message + last)


_CHECKS: tuple[Callable[[_Case], Decision | None], ...] = (
    _finished,
    _stopped,
    _refused,
    _suspended,
    _fenced,
    _diverged,
    _too_late,
    _budget_used_up,
)


def _start_again(case: _Case) -> Decision:
    policy = case.spec.retries.divergence
    return Decision(
        Phase.PENDING,
        case.counted.capitalize(),
        f"attempt {case.end.attempt} {_told(case.end)}",
        case.counters,
        start_attempt=case.end.attempt + 1,
        delay_seconds=delay_seconds(case.counters, case.counted),
        roll_back=case.counted is Counted.DIVERGENCE,
        learning_rate_factor=learning_rate_factor(case.counters, policy),
    )


def _told(end: AttemptEnd) -> str:
    """How it ended, and of an error the last line: the exception itself."""
    error = (end.ending.message if end.ending else "").strip().rpartition("\n")[2]
    return f"{end.description}: {error[-300:]}" if error else end.description


def _said(end: AttemptEnd, otherwise: str) -> str:
    """The trainer's own sentence, if it said one."""
    return (end.ending and end.ending.message) or otherwise
