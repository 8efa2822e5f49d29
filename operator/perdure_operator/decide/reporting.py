"""What a trainer reports of itself, as the status of its TrainingJob has it."""

from __future__ import annotations

import math

from perdure.contract import status as trainer
from perdure_operator.model.status import (
    Checkpoint,
    Goodput,
    JobStatus,
    KindSeconds,
    MetricValue,
    Progress,
)
from perdure_operator.model.times import is_time, rfc3339

_METRICS_SHOWN = 20
_FORESEEABLE_SECONDS = 10 * 365 * 86400


def reported(
    status: JobStatus, report: trainer.Status, *, store: str, at: float, running: bool
) -> JobStatus:
    """`status` with what `report` said at the time `at`.

    A checkpoint never goes back, nor do the steps while a trainer has not come to train.
    """
    told, known = progress(report, at=at, running=running), status.progress
    if known and report.steps_trained == 0 and told.step < known.step:
        told = at_rest(known).model_copy(update={"activity": told.activity})
    update: dict[str, object] = {
        "progress": told,
        "metrics": [
            MetricValue(name=m.name, value=m.value) for m in report.metrics[:_METRICS_SHOWN]
        ]
        or status.metrics,
    }
    if report.grace_needed_seconds is not None:
        update["grace_needed_seconds"] = math.ceil(report.grace_needed_seconds)
    newest = checkpoint(report, store)
    if newest and (status.checkpoint is None or newest.record >= status.checkpoint.record):
        update["checkpoint"] = newest
    return status.model_copy(update=update)


def progress(report: trainer.Status, *, at: float, running: bool) -> Progress:
    """How far the training is; the end is estimated only while it runs."""
    total, speed = report.total_steps, report.steps_per_second
    left = None if total is None else max(0, total - report.step)
    seconds = left / speed if running and speed and left is not None else -1.0
    foreseeable = 0 <= seconds < _FORESEEABLE_SECONDS
    return Progress(
        activity=report.activity if running else None,
        fit=report.fit,
        epoch=report.epoch,
        step=report.step,
        total_steps=total,
        percent=min(100, report.step * 100 // total) if total else None,
        steps_per_second=f"{speed:.3g}" if running and speed else None,
        estimated_end_time=rfc3339(at + seconds) if foreseeable else None,
    )


def at_rest(progress: Progress) -> Progress:
    """`progress` without what is true only while a trainer runs."""
    nothing = dict.fromkeys(("activity", "steps_per_second", "estimated_end_time"))
    return progress.model_copy(update=nothing)


def checkpoint(report: trainer.Status, store: str) -> Checkpoint | None:
    """The last committed checkpoint and where its lineage is."""
    last = report.checkpoint
    if last is None or not is_time(last.time):
        return None
    return Checkpoint(
        record=last.record,
        step=last.step,
        time=last.time,
        uri=f"{store.rstrip('/')}/{report.job}",
        bytes=last.bytes,
        digest=last.digest,
    )


def with_time_of(goodput: Goodput | None, report: trainer.Status, wall_seconds: float) -> Goodput:
    """`goodput` with an ended attempt's seconds; Training's share is of all the time there was."""
    seconds = {item.kind: item.seconds for item in goodput.seconds} if goodput else {}
    for kind, spent in report.seconds.items():
        seconds[kind] = seconds.get(kind, 0) + round(spent)
    trained = seconds.get(trainer.Activity.TRAINING, 0)
    return Goodput(
        percent=min(100, int(100 * trained / wall_seconds)) if wall_seconds >= 1 else None,
        seconds=[KindSeconds(kind=kind, seconds=spent) for kind, spent in sorted(seconds.items())],
    )
