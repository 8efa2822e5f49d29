"""Whether an attempt brought the job further: only a newer committed checkpoint counts."""

from __future__ import annotations

from dataclasses import replace

from perdure_operator.decide.types import AttemptEnd, Counters


def brought_checkpoint(end: AttemptEnd, counters: Counters) -> bool:
    """Whether `end` committed a checkpoint that is newer than every one seen before."""
    record = end.newest_record
    return record is not None and (counters.record is None or record > counters.record)


def count_progress(end: AttemptEnd, counters: Counters) -> Counters:
    """`counters` with the attempts without progress counted, or begun anew."""
    if not brought_checkpoint(end, counters):
        return replace(counters, no_progress=counters.no_progress + 1)
    return replace(counters, no_progress=0, record=end.newest_record)
