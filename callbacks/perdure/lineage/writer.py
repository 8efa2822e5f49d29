"""Commits snapshots: chunks first, then the record that makes them a checkpoint. Forgets what retention
gives up: records first, then the chunks that only they named.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from perdure.contract.environment import Keep
from perdure.contract.status import Committed
from perdure.lineage.chunk_writer import ChunkWriter, Tensor, Written
from perdure.lineage.digest import digest_of
from perdure.lineage.encoding import is_slow
from perdure.lineage.log import Log
from perdure.lineage.parallel import in_threads
from perdure.lineage.records import Checkpoint, Cursor, Obeyed, RecordKind, now
from perdure.lineage.retention import Row, to_drop
from perdure.lineage.table import chunk_folder

MEASURABLE_BYTES = 1_000_000  # what is sent in less says more of the delay than of the rate


@dataclass
class Snapshot:
    """The state of a training process at `cursor`, held by reference until it is drained."""

    kind: RecordKind
    cursor: Cursor
    step: int
    tensors: deque[Tensor]
    state: dict[str, Any]
    value: float | None = None
    blocked_seconds: float = 0.0
    on_commit: Callable[[], None] = lambda: None
    """Called in the saver's thread once the snapshot is committed: it takes no time, and does not fail."""

    def drain(self) -> Iterator[Tensor]:
        """The tensors in order; each is let go as soon as the next is asked for."""
        while self.tensors:
            yield self.tensors.popleft()

    def copy(self) -> Snapshot:
        """The same state, to be drained while this one stays held."""
        return replace(self, tensors=deque(self.tensors))

    def on_host(self) -> Snapshot:
        """The same state, whose values are in host memory, or were there already."""
        tensors = (
            replace(tensor, read=partial(np.asarray, tensor.read())) for tensor in self.tensors
        )
        return replace(self, tensors=deque(tensors))


@dataclass(frozen=True)
class Saved:
    """A committed snapshot and what it cost."""

    committed: Committed
    sent: int
    seconds: float


@dataclass(frozen=True)
class _Kept:
    """What the writer has to know of a checkpoint in the log."""

    cursor: Cursor
    row: Row
    chunks: frozenset[str]


def row_of(number: int, checkpoint: Checkpoint) -> Row:
    """What retention sees of a checkpoint."""
    time = datetime.fromisoformat(checkpoint.time).timestamp()
    return Row(number, checkpoint.step, time, checkpoint.value, checkpoint.monitored)


class CheckpointWriter:
    """The one writer of a lineage's checkpoints."""

    def __init__(self, log: Log, keep: Keep) -> None:
        self._log = log
        self._keep = keep
        self._finals: dict[int, _Kept] = {}
        self._checkpoints: dict[int, _Kept] = {}
        self._unreadable: set[int] = set()
        self._requests: dict[int, Obeyed] = {}
        self._stored: set[str] = set()
        self._deleted: set[str] = set()
        self._parent: tuple[int, Checkpoint] | None = None
        self.bytes_per_second: float | None = None
        """How fast the newest save that can tell sent its bytes while it was sending any."""

    def adopt(self, number: int, checkpoint: Checkpoint, *, is_final: bool) -> None:
        """Rely on a checkpoint that is in the log: its chunks stay."""
        names = frozenset(chunk.name for chunk in checkpoint.chunks())
        kept = _Kept(checkpoint.cursor, row_of(number, checkpoint), names)
        (self._finals if is_final else self._checkpoints)[number] = kept
        self._stored |= names

    def adopt_request(self, number: int, obeyed: Obeyed) -> None:
        """Know a request that is in the log."""
        self._requests[number] = obeyed

    def adopt_chunks(self, names: Iterable[str]) -> None:
        """Know chunks that were in the store before this process began: no newer process wrote them."""
        self._stored |= {*names}

    def abandon(self, number: int) -> None:
        """A checkpoint that cannot be read takes no place of another, and is dropped with the next commit."""
        self._unreadable.add(number)

    def resume_from(self, number: int, checkpoint: Checkpoint) -> None:
        """The checkpoint that this process goes on from: what it has is not sent again."""
        self._parent = (number, checkpoint)

    def stored(self, group: str) -> set[str]:
        """The paths of the tensors of `group` that the newest checkpoint has."""
        tensors = self._parent[1].tensors if self._parent else ()
        return {entry.path for entry in tensors if entry.group == group}

    def write(self, snapshot: Snapshot) -> Saved:
        """Commit `snapshot`.

        Raises:
            WriterFenced: another process has taken over the lineage.
            Unavailable: the store did not answer; if the record was written all the same, the next
                commit finds it.
        """
        began = time.monotonic()
        parent, tensors = (self._parent[0], self._parent[1].tensors) if self._parent else (None, ())
        chunks = ChunkWriter(
            self._log.write_store, self._log.prefix, self._log.writer, tensors,
            compresses=is_slow(self.bytes_per_second), deleted=self._deleted,
        )  # fmt: skip
        try:
            written = chunks.write(snapshot.drain())
        finally:
            self._stored |= chunks.names
        seconds = time.monotonic() - began
        self._measure(written)
        state = {**snapshot.state, "value": snapshot.value, "monitored": self._keep.best}
        timings = {"blocked": snapshot.blocked_seconds, "written": seconds}
        checkpoint = Checkpoint(
            snapshot.cursor, snapshot.step, written.entries, state, parent, timings
        )
        committed = self._commit(snapshot.kind, checkpoint)
        return Saved(committed, written.sent, time.monotonic() - began)

    def _measure(self, written: Written) -> None:
        if written.sent >= MEASURABLE_BYTES and written.sending_seconds > 0:
            self.bytes_per_second = written.sent / written.sending_seconds

    def note(self, obeyed: Obeyed) -> None:
        """Put on record that a request is obeyed.

        Raises:
            WriterFenced: another process has taken over the lineage.
            Unavailable: the store did not answer.
        """
        record = self._log.append(RecordKind.REQUEST, obeyed.to_body())
        self._adopt_unanswered()
        self._requests[record.number] = obeyed

    def finish(self, digest: str | None) -> None:
        """Put on record that the lineage is finished, and `digest` of what was trained.

        Raises:
            WriterFenced: another process has taken over the lineage.
            Unavailable: the store did not answer.
        """
        self._log.append(RecordKind.FINISHED, {"digest": digest})
        self._adopt_unanswered()

    def _commit(self, kind: RecordKind, checkpoint: Checkpoint) -> Committed:
        is_final = kind == RecordKind.FINAL
        dropped = self._expired(None if is_final else checkpoint) | self._unreadable
        settled = self._settled(checkpoint.cursor, dropped)
        record = self._log.append(kind, checkpoint.to_body(), drop=dropped | settled)
        self._adopt_unanswered()
        self.adopt(record.number, replace(checkpoint, time=record.time), is_final=is_final)
        self._parent = (record.number, checkpoint)
        self._forget()
        result = digest_of(entry.checksum for entry in checkpoint.tensors)
        return Committed(record.number, checkpoint.step, record.time, checkpoint.bytes, result)

    def _adopt_unanswered(self) -> None:
        """Commits that succeeded although the store's answer said otherwise."""
        for record in self._log.unanswered:
            if record.kind in (RecordKind.CHECKPOINT, RecordKind.FINAL):
                is_final = record.kind == RecordKind.FINAL
                self.adopt(record.number, Checkpoint.from_record(record), is_final=is_final)
            if record.kind == RecordKind.REQUEST:
                self.adopt_request(record.number, Obeyed.from_record(record))
        self._log.unanswered.clear()

    def _forget(self) -> None:
        """Know only what the newest record names."""
        index = self._log.index
        for kept, named in (
            (self._checkpoints, index.checkpoints),
            (self._finals, index.finals),
            (self._requests, index.requests),
        ):
            for number in kept.keys() - {*named}:
                del kept[number]
        self._unreadable &= {*index.checkpoints}

    def _expired(self, new: Checkpoint | None) -> set[int]:
        """Checkpoints that are not wanted once `new` is there."""
        readable = self._checkpoints.keys() - self._unreadable
        rows = [self._checkpoints[number].row for number in sorted(readable)]
        if new is not None:
            rows.append(row_of(rows[-1].number + 1 if rows else 1, replace(new, time=now())))
        return to_drop(rows, self._keep) & self._checkpoints.keys()

    def _settled(self, newest: Cursor, drop: set[int]) -> set[int]:
        """Requests that no kept checkpoint is before; that of the newest id stays, for its id."""
        kept = [c.cursor for number, c in self._checkpoints.items() if number not in drop]
        oldest = min([*kept, newest])
        newest_id = max((request.id for request in self._requests.values()), default=0)
        return {
            number
            for number, request in self._requests.items()
            if request.id < newest_id and (request.cursor is None or request.cursor < oldest)
        }

    def sweep(self, is_interrupted: Callable[[], bool] = lambda: False) -> None:
        """Delete the records that were given up, then the chunks that no record names.

        Nothing as long as the log names a checkpoint whose chunks are not known here. What is left
        because of an interruption or an error is deleted the next time, if need be by the next process.

        Raises:
            StoreError: something could not be deleted.
        """
        if self._log.unanswered:
            return
        for number in self._log.index.dropped:
            if is_interrupted():
                return
            self._log.delete(number)
        kept = [*self._finals.values(), *self._checkpoints.values()]
        used = {name for checkpoint in kept for name in checkpoint.chunks}

        def delete(name: str) -> None:
            if not is_interrupted():
                self._delete(name)

        in_threads(delete, sorted(self._stored - used))

    def _delete(self, name: str) -> None:
        """The name is not used again: a request whose answer was lost may reach the store much later,
        also where another one after it was answered.
        """
        self._deleted.add(name)
        self._log.write_store.delete(f"{chunk_folder(self._log.prefix)}{name}")
        self._stored.discard(name)
