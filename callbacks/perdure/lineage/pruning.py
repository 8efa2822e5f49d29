"""Deletes what no checkpoint needs, and gives up checkpoints, beside a process that may still be writing.

Safe without a clock, because of three facts. The chunks are listed before the log is read. Only who wrote
the newest record can append the next one, and it writes chunks below its own id alone. And a new
checkpoint names chunks of older processes only where its parent does, which is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from perdure.contract.environment import Keep
from perdure.lineage.lineage import Lineage
from perdure.lineage.log import Absent, Log
from perdure.lineage.parallel import in_threads
from perdure.lineage.records import Checkpoint, Index, Record, RecordKind
from perdure.lineage.retention import to_drop
from perdure.lineage.table import Damaged, chunk_folder
from perdure.lineage.writer import row_of

MOST_LOOKS = 5


class Overtaken(Exception):
    """Another process has appended to the log meanwhile, so what was decided is out of date."""


@dataclass(frozen=True)
class Seen:
    """A lineage as it was found.

    `chunks` are all that were in the store with their sizes, listed before `newest` was read, the newest
    record; `live` are the checkpoints and ends of fits that it names.
    """

    chunks: Mapping[str, int]
    newest: Record
    index: Index
    live: Mapping[int, Checkpoint]


@dataclass(frozen=True)
class Waste:
    """What can be deleted: records by number, chunks by name with their sizes."""

    records: tuple[int, ...]
    chunks: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """What the chunks take."""
        return sum(self.chunks.values())


def look(lineage: Lineage) -> Seen:
    """List the chunks, then read the log and every live checkpoint.

    Raises:
        Damaged: something cannot be read, so nobody knows what is needed.
        NoStart: no start record is intact; nothing is deleted until one is restored.
        Overtaken: a process beside this one writes faster than this one can read.
    """
    for _ in range(MOST_LOOKS):
        chunks = listed_chunks(lineage.log)
        lineage.refresh()
        number = lineage.log.newest
        try:
            return _read(lineage, chunks)
        except Damaged:
            lineage.refresh()
            if lineage.log.newest == number:
                raise
    raise Overtaken("the log changes faster than it can be read")


def listed_chunks(log: Log) -> dict[str, int]:
    """Name and size of each chunk in the store, whether a record names it or not."""
    folder = chunk_folder(log.prefix)
    return {key.removeprefix(folder): size for key, size in log.store.list(folder).items()}


def _read(lineage: Lineage, chunks: Mapping[str, int]) -> Seen:
    log, index = lineage.log, lineage.log.index
    if index.start is not None:
        lineage.start_of(index.start)
    newest = log.read(log.newest)
    _check_that_none_follows(log)
    named = {*index.checkpoints, *index.finals}
    live = {number: checkpoint for number, _, checkpoint in lineage.saved()}
    lost = {*newest.index.checkpoints, *newest.index.finals} | named
    if lost - live.keys():
        numbers = ", ".join(map(str, sorted(lost - live.keys())))
        raise Damaged(f"checkpoint {numbers} cannot be read, so nobody knows which chunks it needs")
    return Seen(chunks, newest, index, live)


def _check_that_none_follows(log: Log) -> None:
    """No checksum protects a listing: a newer record than it names may say that a process has begun."""
    try:
        log.read(log.newest + 1)
    except Absent:
        return
    raise Damaged(f"record {log.newest + 1} is there, but the store did not list it")


def waste(seen: Seen) -> Waste:
    """What nobody needs: records that were given up, and chunks that no live record names."""
    live = {chunk.name for checkpoint in seen.live.values() for chunk in checkpoint.chunks()}
    unneeded = garbage(seen.chunks, live, may_append(seen.newest))
    return Waste(seen.index.dropped, {name: seen.chunks[name] for name in sorted(unneeded)})


def may_append(newest: Record) -> str | None:
    """The id of the process that may append the next record, None if one has to claim the lineage first."""
    is_end = newest.kind in (RecordKind.FINISHED, RecordKind.PRUNED)
    return None if is_end else newest.writer


def garbage(chunks: Iterable[str], live: Set[str], writer: str | None) -> set[str]:
    """The chunks that can never be needed again.

    Args:
        chunks: names of those that were in the store before the log was read.
        live: names of those that the records in the log need.
        writer: the id of the process that may append the next record; its chunks may be about to be named.
    """
    return {
        name
        for name in chunks
        if name not in live and "/" in name and name.partition("/")[0] != writer
    }


def expired(seen: Seen, keep: Keep) -> set[int]:
    """The checkpoints that `keep` does not want; ends of fits always stay."""
    checkpoints = sorted(seen.live.keys() & {*seen.index.checkpoints})
    return to_drop([row_of(number, seen.live[number]) for number in checkpoints], keep)


def without(seen: Seen, drop: Set[int]) -> Seen:
    """What would be seen once the checkpoints `drop` were given up: whoever writes now was fenced."""
    live = {number: checkpoint for number, checkpoint in seen.live.items() if number not in drop}
    newest = replace(seen.newest, kind=RecordKind.PRUNED)
    return replace(seen, live=live, newest=newest, index=seen.index.dropping(drop))


def give_up(log: Log, seen: Seen, drop: Set[int], keep: Keep) -> Seen:
    """Append that the checkpoints `drop` are given up, which fences whoever was writing.

    Returns what is seen then; nothing is deleted yet.

    Raises:
        WriterFenced: another process has appended since the log was read; nothing has changed.
        Overtaken: others had appended so many records that a number had become free again; the record
            that was written under it says nothing to anybody.
    """
    record = log.append(RecordKind.PRUNED, {"keep": str(keep)}, drop=drop)
    if not log.is_newest(record.number):
        raise Overtaken(f"record {record.number} is not the newest")
    return replace(without(seen, drop), newest=record, index=record.index)


def delete(log: Log, unneeded: Waste) -> None:
    """Delete records first: a checkpoint without its chunks must never be there."""
    for number in unneeded.records:
        log.delete(number)
    folder = chunk_folder(log.prefix)
    in_threads(lambda name: log.write_store.delete(f"{folder}{name}"), unneeded.chunks)
