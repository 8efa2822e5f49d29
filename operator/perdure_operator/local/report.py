"""What the runner says at the end: the attempts, the steps, the time, and whether all is equal."""

from __future__ import annotations

from collections.abc import Iterator
from signal import Signals

from rich.console import Console
from rich.table import Table
from rich.text import Text

from perdure.contract.status import Committed, Status
from perdure_operator.decide import Phase
from perdure_operator.local.attempt import AttemptRecord
from perdure_operator.local.prove import Proof
from perdure_operator.local.runner import Outcome
from perdure_operator.local.wording import counted, shown_path


def print_report(outcome: Outcome, console: Console) -> None:
    """Print the report of one run."""
    console.print()
    console.print(_attempts(outcome))
    for line in summary(outcome):
        console.print(Text(line), soft_wrap=True)
    console.print()


def print_verdict(proof: Proof, console: Console) -> None:
    """Print what the comparison said."""
    console.print(
        Text(proof.verdict, "bold green" if proof.identical else "bold red"), soft_wrap=True
    )


def _attempts(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("#", "ended", "counted as", "disturbed by"):
        table.add_column(name, overflow="fold")
    for name in ("trained", "replayed", "saved", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in outcome.attempts:
        table.add_row(*_row(record))
    return table


def _row(record: AttemptRecord) -> Iterator[str]:
    end, status = record.end, _status(record)
    yield str(end.attempt)
    yield _ended(record)
    yield record.counted
    yield _disturbance(record)
    since = "" if end.ending else "≥ "
    yield from (f"{since}{n}" for n in (status.steps_trained, status.steps_replayed))
    yield f"{since}{status.checkpoints}"
    yield f"{record.seconds:.1f} s"


def _disturbance(record: AttemptRecord) -> str:
    if record.disturbance is None or not record.disturbed:
        return ""
    return f"{record.disturbance.kind} {record.disturbance.amount}"


def _ended(record: AttemptRecord) -> str:
    """The exit code with the trainer's reason, or the signal."""
    end = record.end
    if end.exit_code is None and end.signal is not None:
        return Signals(end.signal).name
    return f"{end.code} {end.ending.reason}" if end.ending else str(end.code)


def _status(record: AttemptRecord) -> Status:
    return record.end.status or Status(job="", attempt=record.end.attempt)


def summary(outcome: Outcome) -> Iterator[str]:
    """The report's lines below the table."""
    statuses = [_status(record) for record in outcome.attempts]
    trained = sum(status.steps_trained for status in statuses)
    replayed = sum(status.steps_replayed for status in statuses)
    since = "" if all(record.end.ending for record in outcome.attempts) else "at least "
    attempts = counted(len(statuses), "attempt")
    yield f"steps: {since}{trained} trained and {replayed} replayed in {attempts}"
    yield _checkpoints(statuses)
    yield from _best(statuses[-1])
    yield "time: " + ", ".join(f"{name} {value:.1f} s" for name, value in where_time_went(outcome))
    yield from _not_fired(outcome)
    notices = {(notice.kind, notice.message): None for s in statuses for notice in s.notices}
    yield from (f"note {kind}: {message}" for kind, message in notices)
    yield f"logs: {shown_path(outcome.plan.logs)}"


def _checkpoints(statuses: list[Status]) -> str:
    committed = sum(status.checkpoints for status in statuses)
    newest: Committed | None = next(
        (s.checkpoint for s in reversed(statuses) if s.checkpoint), None
    )
    last = f", the last at step {newest.step}" if newest else ""
    return f"checkpoints: {committed} committed{last}"


def _best(last: Status) -> Iterator[str]:
    """Which epoch was the best, where the trainer has said it."""
    ending = last.ending
    if ending is not None and ending.best_value is not None:
        where = "" if ending.best_epoch is None else f" in epoch {ending.best_epoch} (from 0)"
        yield f"best {ending.monitor}: {ending.best_value}{where}"


def where_time_went(outcome: Outcome) -> list[tuple[str, float]]:
    """Seconds by activity over all attempts, the most first; what nobody reported is named too."""
    sums: dict[str, float] = {}
    for record in outcome.attempts:
        for activity, seconds in _status(record).seconds.items():
            sums[activity] = sums.get(activity, 0.0) + seconds
    total = sum(record.seconds for record in outcome.attempts)
    unreported = max(0.0, total - sum(sums.values()))
    times = {name.lower(): seconds for name, seconds in sums.items()}
    times |= {"not reported": unreported, "waiting to start again": outcome.waited_seconds}
    shown = ((name, seconds) for name, seconds in times.items() if seconds >= 0.05)
    return sorted(shown, key=lambda time: -time[1])


def _not_fired(outcome: Outcome) -> Iterator[str]:
    """A disturbance that never came would let a proof look like more than it is."""
    for record in outcome.attempts:
        if record.disturbance and not record.disturbed:
            yield f"not fired: {record.disturbance}, attempt {record.end.attempt} ended before"
    for disturbance in outcome.not_reached:
        yield f"not fired: {disturbance}, no attempt was left for it"


def exit_code(outcome: Outcome) -> int:
    """The command's exit code: 0, or the contract's code for a refusal or a stop, or 1."""
    codes = {Phase.SUCCEEDED: 0, Phase.STOPPED: 77, Phase.SUSPENDED: 77}
    if outcome.decision.reason == "Refused":
        return 78
    return codes.get(outcome.decision.phase, 1)
