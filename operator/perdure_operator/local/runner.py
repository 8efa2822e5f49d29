"""One run: attempts, and between them the decisions that the operator would make."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from perdure_operator.decide import Counters, Decision, Phase, decide
from perdure_operator.decide.waiting import decide_waiting
from perdure_operator.local.attempt import AttemptRecord, Surroundings, run_attempt
from perdure_operator.local.display import Display
from perdure_operator.local.disturbance import Disturbance
from perdure_operator.local.interrupts import Interrupts
from perdure_operator.local.plan import Plan

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `not_reached` are disturbances for attempts that were not needed."""

    plan: Plan
    decision: Decision
    attempts: tuple[AttemptRecord, ...]
    waited_seconds: float
    not_reached: tuple[Disturbance, ...]

    @property
    def succeeded(self) -> bool:
        """Whether the training came to its end."""
        return self.decision.phase is Phase.SUCCEEDED


def run_job(
    plan: Plan, disturbances: Sequence[Disturbance], display: Display, interrupts: Interrupts
) -> Outcome:
    """Run attempts until a decision starts no further one."""
    spec, started = plan.job.spec, time.monotonic()
    seconds = spec.active_deadline_seconds
    around = Surroundings(display, interrupts, None if seconds is None else started + seconds)
    left, records, waited = list(disturbances), list[AttemptRecord](), 0.0
    decision = Decision(Phase.PENDING, "Created", "", Counters(), start_attempt=plan.first_attempt)
    while decision.start_attempt is not None:
        disturbance = left.pop(0) if left else None
        record = run_attempt(plan, decision.start_attempt, disturbance, around)
        records.append(record)
        now = time.monotonic()
        decision = decide(record.end, decision.counters, spec, started=started, now=now)
        _announce(decision, display)
        decision = _wait(decision, plan, around, started)
        waited += time.monotonic() - now
    return Outcome(plan, decision, tuple(records), waited, tuple(left))


def _wait(decision: Decision, plan: Plan, around: Surroundings, started: float) -> Decision:
    """Wait for the announced attempt: `decision` again, or what came instead."""
    until = time.monotonic() + decision.delay_seconds
    while decision.start_attempt is not None:
        now = time.monotonic()
        asked = around.interrupts.count > 0
        instead = decide_waiting(
            decision, plan.job.spec, asked_to_stop=asked, started=started, now=now
        )
        if instead is not None:
            _announce(instead, around.display)
            return instead
        if now >= until:
            break
        around.display.waiting(decision.start_attempt, until - now)
        time.sleep(min(_LOOK_SECONDS, until - now))
    return decision


def _announce(decision: Decision, display: Display) -> None:
    if decision.start_attempt is None:
        text = f"{decision.phase}: {decision.reason}"
        style = "green" if decision.phase is Phase.SUCCEEDED else "red"
        display.event(text + (f", {decision.message}" if decision.message else ""), style)
    elif decision.delay_seconds:
        display.event(
            f"counted as {decision.reason.lower()}; attempt {decision.start_attempt} starts in "
            f"{decision.delay_seconds:g} s"
        )
    if decision.phase is Phase.SUSPENDED:
        display.event("the same command goes on from the last checkpoint")
