"""A lineage that is quickly made, and `perdure checkpoints` on it."""

from __future__ import annotations

from collections import deque

import numpy as np
from click.testing import CliRunner, Result

from perdure.cli import main
from perdure.contract.environment import Job, Keep
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import CheckpointWriter, Snapshot
from perdure.store.local import LocalStore

JOB = "team/digits/1"
START = {
    "fixed": {"seed": 7, "threads": 2},
    "program": {"script": "abc"},
    "environment": {"keras": "3.15.0"},
}


def snapshot(kind: RecordKind, fit: int, step: int, value: float | None = None) -> Snapshot:
    """Three tensors, of which one never changes."""
    values = {
        "model": np.full((2, 3), step, np.float32),
        "optimizer": np.array(step),
        "state": np.full(4, step, np.uint8),
    }
    tensors = deque(Tensor(group, f"{group}/a", lambda v=v: v) for group, v in values.items())
    history = {"loss": [0.5, {"$float": "nan"}]}
    cursor = Cursor(fit, 1, step % 7)
    return Snapshot(kind, cursor, step, tensors, {"history": history}, value=value)


def begun(store: LocalStore, on_damage: object, job: str = JOB) -> Lineage:
    """A lineage that a process has just begun or taken over."""
    lineage = Lineage(store, Job.parse(job), 1, on_damage)  # type: ignore[arg-type]
    lineage.claim(START, continues=False)
    return lineage


def writer_of(lineage: Lineage, keep: Keep | None = None) -> CheckpointWriter:
    """The writer of the process that has begun `lineage`."""
    writer = CheckpointWriter(lineage.log, keep or Keep(3))
    lineage.adopt_all(writer)
    return writer


def perdure(store: LocalStore, *arguments: str, job: str = JOB) -> Result:
    """`perdure checkpoints ARGUMENTS` on the lineage of `job`."""
    command = ["checkpoints", *arguments, "--store", store.url, "--job", job]
    return CliRunner().invoke(main, command)
