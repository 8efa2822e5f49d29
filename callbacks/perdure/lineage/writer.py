"""Commits snapshots: chunks first, then the record that makes them a checkpoint, then retention."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from perdure.contract.environment import Keep
from perdure.contract.status import Committed
from perdure.lineage.chunks import ChunkWriter, Tensor, chunk_key
from perdure.lineage.digest import digest_of
from perdure.lineage.log import Log
from perdure.lineage.records import Checkpoint, Cursor, RecordKind
from perdure.lineage.retention import to_drop


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
    created: float = field(default_factory=time.monotonic)

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
        self._kept: dict[int, Checkpoint] = {}
        self._values: dict[int, float] = {}
        self._parent: int | None = None

    def adopt(self, number: int, checkpoint: Checkpoint) -> None:
        """Rely on a checkpoint that is in the log: its chunks are not sent again and stay."""
        self._kept[number] = checkpoint
        value = checkpoint.state.get("value")
        if value is not None:
            self._values[number] = value

    def resume_from(self, number: int) -> None:
        """The checkpoint that this process goes on from."""
        self._parent = number

    def write(self, snapshot: Snapshot) -> Saved:
        """Commit `snapshot`.

        Raises:
            WriterFenced: another process has taken over the lineage.
            Unavailable: the store did not answer; nothing is committed.
        """
        began = time.monotonic()
        parent = self._kept.get(self._parent) if self._parent is not None else None
        present = parent.chunks if parent else frozenset()
        writer = ChunkWriter(self._log.write_store, self._log.prefix, present)
        written = writer.write(snapshot.drain())
        state = {**snapshot.state, "value": snapshot.value}
        timings = {"blocked": snapshot.blocked_seconds, "written": time.monotonic() - began}
        checkpoint = Checkpoint(
            snapshot.cursor, snapshot.step, written.entries, state, self._parent, timings
        )
        committed = self._commit(snapshot, checkpoint)
        return Saved(committed, written.sent, time.monotonic() - began)

    def _commit(self, snapshot: Snapshot, checkpoint: Checkpoint) -> Committed:
        drop = self._expired(with_new=snapshot.kind == RecordKind.CHECKPOINT)
        record = self._log.append(snapshot.kind, checkpoint.to_body(), drop=drop)
        self.adopt(record.number, checkpoint)
        self._parent = record.number
        self._forget(drop)
        result = digest_of(entry.checksum for entry in checkpoint.tensors)
        return Committed(record.number, checkpoint.step, record.time, checkpoint.bytes, result)

    def _expired(self, *, with_new: bool) -> set[int]:
        """Checkpoints that are not wanted once the next record is there."""
        existing = [number for number in self._log.index.checkpoints if number in self._kept]
        newest = [max(existing, default=0) + 1] if with_new else []
        return to_drop(existing + newest, self._values, self._keep) - set(newest)

    def _forget(self, numbers: set[int]) -> None:
        """Delete records first and then the chunks that only they named."""
        dropped: set[str] = set()
        for number in numbers:
            dropped |= self._kept.pop(number).chunks
            self._values.pop(number, None)
        self._log.delete(numbers)
        for checkpoint in self._kept.values():
            dropped -= checkpoint.chunks
        for chunk in dropped:
            self._log.write_store.delete(chunk_key(self._log.prefix, chunk))
