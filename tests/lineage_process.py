"""What a trainer does with a lineage, without a model: in the process of a test, or as a program."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from perdure import saver
from perdure.board import Board
from perdure.contract.environment import Job, Keep
from perdure.errors import Fenced
from perdure.lineage import chunk_writer, table
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.lineage import Lineage
from perdure.lineage.log import WriterFenced
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import CheckpointWriter, Saved, Snapshot
from perdure.store import Timeouts, open_store, until_deadline

JOB = Job("team", "digits", "1")
ELEMENTS = 64
PATIENCE_SECONDS = 60.0

Arrays = dict[str, np.ndarray[Any, Any]]


class Process:
    """A process on a lineage."""

    def __init__(self, store: Any, keep: Keep) -> None:
        self.notices: list[str] = []
        self.lineage = Lineage(store, JOB, 1, self.notices.append)
        self.writer = CheckpointWriter(self.lineage.log, keep)
        self.saved: dict[int, Arrays] = {}

    def begin(self) -> Process:
        """Take over the lineage and go on from its newest checkpoint."""
        self.lineage.claim({"program": {}}, continues=False)
        self.lineage.adopt_all(self.writer)
        point = self.lineage.point_for(0)
        self.lineage.abandon_damaged(self.writer)
        if point is not None:
            self.writer.resume_from(point.number, point.checkpoint)
        return self

    def save(
        self, step: int, arrays: Arrays, *, value: float | None = None, fit: int = 0,
        kind: RecordKind = RecordKind.CHECKPOINT,
    ) -> int:  # fmt: skip
        """Commit a snapshot; returns its record's number."""
        return self.commit(step, arrays, value=value, fit=fit, kind=kind).committed.record

    def commit(
        self, step: int, arrays: Arrays, *, value: float | None = None, fit: int = 0,
        kind: RecordKind = RecordKind.CHECKPOINT,
    ) -> Any:  # fmt: skip
        """Commit a snapshot, and delete what retention gives up for it."""
        saved = self.writer.write(snapshot(step, arrays, value=value, fit=fit, kind=kind))
        self.saved[saved.committed.record] = arrays
        self.writer.sweep()
        return saved


def snapshot(
    step: int, arrays: Arrays, *, value: float | None = None, fit: int = 0,
    kind: RecordKind = RecordKind.CHECKPOINT,
) -> Snapshot:  # fmt: skip
    """A state after train batch `step`."""
    tensors = deque(Tensor("model", name, lambda a=array: a) for name, array in arrays.items())
    state = {"history": {"loss": [1.0 / (step + 1)]}}
    return Snapshot(kind, Cursor(fit, 0, step), step, tensors, state, value)


def small_chunks(set_constant: Callable[[Any, str, int], None] = setattr) -> None:
    """Cut tensors as if chunks were small, so that small states take several requests."""
    set_constant(table, "CHUNK_BYTES", 4 * ELEMENTS)
    set_constant(chunk_writer, "PACK_BELOW_BYTES", 2 * ELEMENTS)


def arrays(step: int) -> Arrays:
    """Two tensors that stay, one whose values come back, one of two chunks, and a small one."""
    return {
        "frozen": np.arange(ELEMENTS, dtype=np.float32) - 1000,
        "buffer": np.arange(ELEMENTS, dtype=np.float32) - 2000,
        "returns": np.arange(ELEMENTS, dtype=np.float32) + step % 3,
        "trained": np.arange(2 * ELEMENTS, dtype=np.float32) + step,
        "bias": np.full(3, step, np.float32),
    }


class Trainer:
    """Saves with the real saver, as an attempt does; what it has committed is said in its log."""

    def __init__(self, url: str) -> None:
        patience = float(os.environ.get("READ_SECONDS", "1"))
        store = open_store(url, Timeouts(connect=1, read=patience, request=2 * patience))
        self.board = Board(str(JOB), 1)
        self.process = Process(until_deadline(store, PATIENCE_SECONDS), Keep(1)).begin()
        self.process.lineage.log.write_store = store  # the saver has its own way of trying again
        self.saver = saver.Saver(self.process.writer, self.board)

    def train(self, saves: int) -> None:
        """Make `saves` saves; one that failed is made again."""
        point = self.process.lineage.point_for(0)
        resumed = point.checkpoint.step if point else 0
        say(resumed=resumed, damaged=self.process.notices)
        for step in range(resumed + 1, resumed + 1 + saves):
            self._save(step)
        self.saver.finish_cleaning()
        kinds = [str(notice.kind) for notice in self.board.status().notices]
        say(failures=self.saver.failures, notices=sorted({*kinds}))

    def _save(self, step: int) -> None:
        saved = self._saved(step)
        say(committed=saved.committed.record, step=step)
        looked_at = Path(os.environ.get("LOOKED_AT", ""))
        while looked_at.name and not looked_at.with_suffix(f".{step}").exists():
            time.sleep(0.005)

    def _saved(self, step: int) -> Saved:
        """Offer the state as often as it takes, as between train steps."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (last := self.saver.last) is None or last.committed.step < step:
            assert time.monotonic() < deadline, "the store cannot be written"
            self.saver.raise_if_fenced()
            if self.saver.is_free:
                self.saver.offer(snapshot(step, arrays(step)))
            time.sleep(0.005)
        return last


def say(**what: Any) -> None:
    """For the test, which reads the log."""
    print(json.dumps(what), flush=True)


def main() -> None:
    """`lineage_process.py STORE SAVES`; with LOOKED_AT it waits after step N for the file LOOKED_AT.N."""
    url, saves = sys.argv[1:]
    small_chunks()
    saver.RETRY_SECONDS, saver.RETRY_MOST_SECONDS = 0.05, 0.2
    try:
        Trainer(url).train(int(saves))
    except (Fenced, WriterFenced) as fenced:
        say(fenced=str(fenced))


if __name__ == "__main__":
    main()
