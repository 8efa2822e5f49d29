"""One attempt: a trainer from its start to its end, watched and, where asked for, disturbed."""

from __future__ import annotations

import signal
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from perdure.contract.exits import Counted, ExitCode
from perdure.contract.status import Status
from perdure_operator.decide import AttemptEnd
from perdure_operator.decide.charge import charged_to
from perdure_operator.local.display import Display
from perdure_operator.local.disturbance import Disturbance, Kind, is_training
from perdure_operator.local.interrupts import Interrupts
from perdure_operator.local.observe import StatusClient, tail, termination_message
from perdure_operator.local.plan import Plan
from perdure_operator.local.process import TrainerProcess, free_port
from perdure_operator.local.wording import counted, shown_path

_PERIOD_SECONDS = 0.2
_PERIOD_BEFORE_DISTURBANCE_SECONDS = 0.02


@dataclass(frozen=True)
class AttemptRecord:
    """What is kept of an attempt for the report."""

    end: AttemptEnd
    seconds: float
    log: Path
    disturbance: Disturbance | None = None
    disturbed: bool = False

    @property
    def counted(self) -> Counted:
        """The budget that it was charged to."""
        return Counted.NOTHING if self.end.asked_to_stop else charged_to(self.end)


@dataclass
class Surroundings:
    """What all attempts of a call share; `deadline` is on the monotonic clock."""

    display: Display
    interrupts: Interrupts
    deadline: float | None = None


def run_attempt(
    plan: Plan, number: int, disturbance: Disturbance | None, around: Surroundings
) -> AttemptRecord:
    """Start attempt `number` of `plan` and stay with it to its end."""
    log, port, started = plan.log(number), free_port(), time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="perdure-") as folder, StatusClient(port) as client:
        message = Path(folder) / "termination-message"
        environment = plan.environment(number, port, message)
        around.display.progress(number, None)
        around.display.event(f"attempt {number} started")
        with TrainerProcess(plan.command(), environment, plan.directory, log) as process:
            grace = plan.job.spec.termination_grace_period_seconds
            watch = _Watch(process, number, grace, disturbance, around)
            code = watch.until_end(client)
        end = watch.end(code, termination_message(message))
    record = AttemptRecord(end, time.monotonic() - started, log, disturbance, watch.disturbed)
    _announce(record, around.display)
    return record


class _Watch:
    """Looks at a running trainer again and again, and does to it what is due."""

    def __init__(
        self,
        process: TrainerProcess,
        number: int,
        grace: int,
        disturbance: Disturbance | None,
        around: Surroundings,
    ) -> None:
        self._process = process
        self._number = number
        self._grace = grace
        self._disturbance = disturbance
        self._around = around
        self._status: Status | None = None
        self._training_since: float | None = None
        self._kill_at: float | None = None
        self._said: set[str] = set()
        self._asked_to_stop = False
        self.disturbed = False

    @property
    def _awaits_disturbance(self) -> bool:
        return self._disturbance is not None and not self.disturbed

    def until_end(self, client: StatusClient) -> int:
        """Watch until the process has ended; its return code."""
        while (code := self._process.wait(self._period())) is None:
            self._see(client.get(), time.monotonic())
            self._disturb(time.monotonic())
            self._obey_interrupts(time.monotonic())
            self._keep_deadlines(time.monotonic())
        return code

    def end(self, code: int, last_word: Status | None) -> AttemptEnd:
        """How it ended, for the decision; what was said too late to be seen running is seen now."""
        if last_word is not None:
            self._see(last_word, time.monotonic())
        return AttemptEnd(
            self._number,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            status=last_word or (self._status and replace(self._status, ending=None)),
            disrupted=self.disturbed,
            asked_to_stop=self._asked_to_stop,
        )

    def _period(self) -> float:
        """Small jobs train hundreds of steps per second: what waits for a step looks often."""
        return _PERIOD_BEFORE_DISTURBANCE_SECONDS if self._awaits_disturbance else _PERIOD_SECONDS

    def _see(self, status: Status | None, now: float) -> None:
        if status is None:
            self._around.display.progress(self._number, self._status)
            return
        self._status = status
        if self._training_since is None and is_training(status):
            self._training_since = now
        if status.resumed_from is not None:
            self._say(f"attempt {self._number} resumed at step {status.resumed_from}")
        for notice in status.notices:
            self._say(f"attempt {self._number} notes {notice.kind}: {notice.message}", "yellow")
        waits_for = str(self._disturbance) if self._awaits_disturbance else ""
        self._around.display.progress(self._number, status, waits_for)

    def _say(self, text: str, style: str = "") -> None:
        """Once per attempt: a status repeats what it said."""
        if text not in self._said:
            self._said.add(text)
            self._around.display.event(text, style)

    def _disturb(self, now: float) -> None:
        if self._disturbance is None or self.disturbed or self._status is None:
            return
        trained = None if self._training_since is None else now - self._training_since
        if not self._disturbance.is_due(self._status, trained):
            return
        self.disturbed = True
        if self._disturbance.kind is Kind.KILL:
            self._process.kill()
            done = "killed (SIGKILL)"
        else:
            self._terminate(now)
            done = f"told to go (SIGTERM, {self._grace} s of grace)"
        steps = f"after {counted(self._status.steps_trained, 'step')} of its own"
        self._say(f"attempt {self._number} {done} {steps}: {self._disturbance}", "magenta")

    def _obey_interrupts(self, now: float) -> None:
        if self._around.interrupts.count and not self._asked_to_stop:
            self._asked_to_stop = True
            self._terminate(now)
            self._say(
                f"stopping: attempt {self._number} has {self._grace} s to save; once more kills it"
            )
        if self._around.interrupts.count > 1:
            self._process.kill()

    def _keep_deadlines(self, now: float) -> None:
        deadline = self._around.deadline
        if deadline is not None and now >= deadline and self._kill_at is None:
            self._terminate(now)
            self._say(f"attempt {self._number} told to go: spec.activeDeadlineSeconds are over")
        if self._kill_at is not None and now >= self._kill_at:
            self._process.kill()

    def _terminate(self, now: float) -> None:
        self._process.terminate()
        self._kill_at = self._kill_at or now + self._grace


def _announce(record: AttemptRecord, display: Display) -> None:
    end = record.end
    checkpoint = end.status and end.status.checkpoint
    saved = f"last checkpoint at step {checkpoint.step}" if checkpoint else "no checkpoint yet"
    if end.exit_code == 0:
        display.event(f"attempt {end.attempt} {end.description} after {record.seconds:.1f} s")
        return
    display.event(f"attempt {end.attempt} {end.description} after {record.seconds:.1f} s; {saved}")
    if record.counted is Counted.FAILURE:
        _show_failure(record, display)


def _show_failure(record: AttemptRecord, display: Display) -> None:
    """The end of the log; a refusal is said by the decision, in the trainer's own words."""
    if record.end.is_our(ExitCode.REFUSED):
        return
    if record.end.signal == signal.SIGKILL:
        display.event("  nobody here sent it: out of memory is the usual reason", "red")
    display.event(f"  the end of {shown_path(record.log)}:", "dim")
    for line in tail(record.log):
        display.event(f"  | {line}", "dim")
