"""Commits snapshots: chunks first, then the record that makes them a checkpoint, then retention."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from perdure.contract.environment import Keep
from perdure.contract.status import Committed
from perdure.lineage.chunks import ChunkWriter, Tensor, chunk_key
from perdure.lineage.digest import digest_of
from perdure.lineage.log import Log
from perdure.lineage.records import Checkpoint, Cursor, Obeyed, RecordKind
from perdure.lineage.retention import Row, to_drop
from perdure.store import Unavailable


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

    def drain(self) -> Iterator[Tensor]:
        """The tensors in order; each is let go as soon as the next is asked for."""
        while self.tensors:
            yield self.tensors.popleft()


@dataclass(frozen=True)
class Saved:
    """A committed snapshot and what it cost."""

    committed: Committed
    sent: int
    seconds: float


class CheckpointWriter:
    """The one writer of a lineage's checkpoints."""

    def __init__(self, log: Log, keep: Keep) -> None:
        self._log = log
        self._keep = keep
        self._finals: dict[int, Checkpoint] = {}
        self._checkpoints: dict[int, Checkpoint] = {}
        self._requests: dict[int, Obeyed] = {}
        self._doomed: dict[int, frozenset[str]] = {}
        self._parent: int | None = None

    def adopt(self, number: int, checkpoint: Checkpoint, *, is_final: bool) -> None:
        """Rely on a checkpoint that is in the log: its chunks stay."""
        (self._finals if is_final else self._checkpoints)[number] = checkpoint

    def adopt_request(self, number: int, obeyed: Obeyed) -> None:
        """Know a request that is in the log."""
        self._requests[number] = obeyed

    def abandon(self, number: int) -> None:
        """A checkpoint that cannot be read is dropped with the next commit."""
        self._doomed[number] = frozenset()

    def resume_from(self, number: int) -> None:
        """The checkpoint that this process goes on from: what it has is not sent again."""
        self._parent = number

    def write(self, snapshot: Snapshot) -> Saved:
        """Commit `snapshot`.

        Raises:
            WriterFenced: another process has taken over the lineage.
            Unavailable: the store did not answer; if the record was written all the same, the next
                commit finds it.
        """
        began = time.monotonic()
        present = self._kept[self._parent].chunks if self._parent in self._kept else frozenset()
        writer = ChunkWriter(self._log.write_store, self._log.prefix, present)
        written = writer.write(snapshot.drain())
        state = {**snapshot.state, "value": snapshot.value, "time": time.time()}
        timings = {"blocked": snapshot.blocked_seconds, "written": time.monotonic() - began}
        checkpoint = Checkpoint(
            snapshot.cursor, snapshot.step, written.entries, state, self._parent, timings
        )
        committed = self._commit(snapshot.kind, checkpoint)
        self._sweep()
        return Saved(committed, written.sent, time.monotonic() - began)

    def note(self, obeyed: Obeyed) -> None:
        """Put on record that a request is obeyed.

        Raises:
            WriterFenced: another process has taken over the lineage.
            Unavailable: the store did not answer.
        """
        record = self._log.append(RecordKind.REQUEST, obeyed.to_body())
        self._adopt_unanswered()
        self._requests[record.number] = obeyed

    @property
    def _kept(self) -> dict[int, Checkpoint]:
        return {**self._finals, **self._checkpoints}

    def _commit(self, kind: RecordKind, checkpoint: Checkpoint) -> Committed:
        is_final = kind == RecordKind.FINAL
        drop = self._expired(None if is_final else checkpoint)
        settled = self._settled(checkpoint.cursor, drop)
        record = self._log.append(kind, checkpoint.to_body(), drop={*drop, *settled, *self._doomed})
        self._adopt_unanswered()
        self.adopt(record.number, checkpoint, is_final=is_final)
        self._parent = record.number
        for number in drop:
            self._doomed[number] = self._checkpoints.pop(number).chunks
        for number in settled:
            self._doomed[number] = frozenset()
            del self._requests[number]
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

    def _expired(self, new: Checkpoint | None) -> set[int]:
        """Checkpoints that are not wanted once `new` is there."""
        checkpoints = dict(sorted(self._checkpoints.items()))
        if new is not None:
            checkpoints[max(checkpoints, default=0) + 1] = new
        rows = [
            Row(number, c.step, c.state.get("time", 0.0), c.state.get("value"))
            for number, c in checkpoints.items()
        ]
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

    def _sweep(self) -> None:
        """Delete dropped records, then the chunks that only they named; what fails waits."""
        used = {chunk for checkpoint in self._kept.values() for chunk in checkpoint.chunks}
        try:
            for number, chunks in list(self._doomed.items()):
                self._log.delete([number])
                for chunk in chunks - used:
                    self._log.write_store.delete(chunk_key(self._log.prefix, chunk))
                del self._doomed[number]
        except Unavailable:
            return  # the checkpoint is committed; the next commit sweeps again
