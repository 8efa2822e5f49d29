"""Whether an attempt brought the job further: only a newer committed checkpoint counts."""

from __future__ import annotations

from dataclasses import replace

from perdure_operator.decide.types import AttemptEnd, Counters


def brought_checkpoint(end: AttemptEnd, counters: Counters) -> bool:
    """Whether `end` committed a checkpoint that is newer than every one seen before.

    A trainer that resumed reports the checkpoint that it resumed from; that is not its own.
    """
    status = end.status
    if status is None or status.checkpoint is None or status.checkpoints == 0:
        return False
    return counters.record is None or status.checkpoint.record > counters.record


def count_progress(end: AttemptEnd, counters: Counters) -> Counters:
    """`counters` with the attempts without progress counted, or begun anew."""
    if not brought_checkpoint(end, counters):
        return replace(counters, no_progress=counters.no_progress + 1)
    assert end.status is not None
    assert end.status.checkpoint is not None
    return replace(counters, no_progress=0, record=end.status.checkpoint.record)
