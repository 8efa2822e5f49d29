"""Reads every byte of every checkpoint; what several share is read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perdure.lineage.chunk_reader import damages
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Checkpoint
from perdure.lineage.table import Chunk

UNREADABLE = "its record cannot be read"


def verify(
    lineage: Lineage, checkpoints: Mapping[int, Checkpoint], on_read: Callable[[Chunk], None]
) -> dict[int, str | None]:
    """For each checkpoint that the log names why it cannot be used, None if it can.

    One that a training process beside it has given up meanwhile is left out.

    Args:
        lineage: whose log was read.
        checkpoints: those of the lineage whose records can be read.
        on_read: called in several threads with each chunk that was read.
    """
    log = lineage.log
    problems = damages(log.store, log.prefix, all_chunks(checkpoints), on_read)
    found = {
        number: UNREADABLE if number not in checkpoints else _first(checkpoints[number], problems)
        for number in _named(lineage)
    }
    if any(problem is not None for problem in found.values()):
        lineage.refresh()
        found = {number: found[number] for number in _named(lineage) if number in found}
    return found


def _named(lineage: Lineage) -> list[int]:
    index = lineage.log.index
    return sorted((*index.checkpoints, *index.finals))


def all_chunks(checkpoints: Mapping[int, Checkpoint]) -> list[Chunk]:
    """The chunks of all `checkpoints`, each once."""
    return list(dict.fromkeys(chunk for c in checkpoints.values() for chunk in c.chunks()))


def _first(checkpoint: Checkpoint, problems: Mapping[Chunk, str]) -> str | None:
    return next((problems[chunk] for chunk in checkpoint.chunks() if chunk in problems), None)
