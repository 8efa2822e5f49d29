"""A lineage as a process finds it: its settings, what of it is finished, and where to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from perdure.contract.environment import Job
from perdure.lineage.chunk_reader import read_tensors
from perdure.lineage.digest import canonical, digest_of
from perdure.lineage.log import Log
from perdure.lineage.parallel import in_threads
from perdure.lineage.records import Checkpoint, Index, Obeyed, now
from perdure.lineage.table import Damaged, chunk_folder
from perdure.lineage.writer import CheckpointWriter
from perdure.store import Store

OnDamage = Callable[[str], None]


@dataclass(frozen=True)
class Point:
    """A verified checkpoint to go on from; `is_final` if its fit has ended there."""

    number: int
    checkpoint: Checkpoint
    arrays: Sequence[np.ndarray[Any, Any]]
    is_final: bool


class Lineage:
    """The log of one job's run with what it says."""

    def __init__(self, store: Store, job: Job, attempt: int, on_damage: OnDamage) -> None:
        self.log = Log(store, prefix_of(job), attempt=attempt)
        self._on_damage = on_damage
        self._start: dict[str, Any] | None = None
        self._checkpoints: dict[int, Checkpoint | None] = {}
        self._damaged: set[int] = set()
        self._chunks_before: list[str] = []
        self.refresh()

    def refresh(self) -> None:
        """Read the log anew."""
        self._forget()
        self._start = None
        self.log.refresh(self._record_damaged)

    def start_of(self, number: int) -> dict[str, Any]:
        """The body of the `start` record `number`; of the one before, as long as they are damaged.

        Raises:
            NoStart: none of them is intact.
        """
        return self.log.start(number, self._record_damaged).body

    @property
    def exists(self) -> bool:
        """Whether any process has begun this lineage."""
        return self.log.index.start is not None

    @property
    def start(self) -> dict[str, Any] | None:
        """The newest `start` record's body: what is fixed, the program, the environment.

        It is read when it is first asked for: who only reads checkpoints can do without.

        Raises:
            NoStart: there is one, but none that is intact.
        """
        if self._start is None and self.log.index.start is not None:
            self._start = self.start_of(self.log.index.start)
        return self._start

    @property
    def is_finished(self) -> bool:
        """Whether a process has closed this lineage."""
        return self.log.index.finished is not None

    def claim(self, body: dict[str, Any], *, continues: bool) -> None:
        """Append this process' `start` record: whoever wrote before may not write any more.

        With `continues` the last fit of a finished lineage is to be trained on from its newest
        checkpoint, so its end is left out of the records to come.
        """
        goes_on_from = Index.reopened if continues else Index.unfinished
        self._chunks_before = self.chunk_names()  # none of a process that fences this one
        record = self.log.claim(
            lambda index: {**body, **self._counted(index)}, self._record_damaged, goes_on_from
        )
        self._forget()
        self._start = record.body

    def _forget(self) -> None:
        """The numbers of records that were given up may stand for others now."""
        self._checkpoints.clear()
        self._damaged.clear()

    def chunk_names(self) -> list[str]:
        """The chunks in the store, whether a record names them or not."""
        folder = chunk_folder(self.log.prefix)
        return [key.removeprefix(folder) for key in self.log.store.list(folder)]

    def _counted(self, index: Index) -> dict[str, Any]:
        """When the lineage began, and how many processes have begun on it with the one after `index`."""
        if index.start is None:
            return {"began": now(), "starts": 1}
        before = self.start_of(index.start)
        return {"began": before["began"], "starts": before["starts"] + 1}

    @property
    def identity(self) -> str:
        """What tells this lineage from any other, one at the same place after it was deleted included."""
        assert self.start is not None, "a lineage has a start once it is claimed"
        return f"{self.log.prefix} {self.start['began']}"

    @property
    def starts(self) -> int:
        """How many processes have begun on this lineage."""
        return int(self.start["starts"]) if self.start else 0

    def _record_damaged(self, number: int, error: Damaged) -> None:
        self._on_damage(f"record {number} is passed over for the one before: {error}")

    def seconds_between_interruptions(self) -> float | None:
        """Observed mean time between starts, None before the second start."""
        start = self.start
        if start is None or start["starts"] < 1:
            return None
        age = datetime.fromisoformat(now()) - datetime.fromisoformat(start["began"])
        return max(1.0, age.total_seconds() / int(start["starts"]))

    def adopt_all(self, writer: CheckpointWriter) -> None:
        """Let `writer` rely on what is there, and know what it may delete.

        As long as the end of a fit cannot be read, nobody knows which chunks it names: what dead
        processes have left stays then.
        """
        index = self.log.index
        found = self._read_checkpoints((*index.finals, *index.checkpoints))
        for number, checkpoint in found.items():
            if checkpoint is not None:
                writer.adopt(number, checkpoint, is_final=number in index.finals)
        self.abandon_damaged(writer)
        if all(found[number] is not None for number in index.finals):
            writer.adopt_chunks(self._chunks_before)
        for number, obeyed in self.requests():
            writer.adopt_request(number, obeyed)

    def abandon_damaged(self, writer: CheckpointWriter) -> None:
        """Let `writer` drop the checkpoints that were found damaged; ends of fits stay for good."""
        for number in self._damaged & {*self.log.index.checkpoints}:
            writer.abandon(number)

    def requests(self) -> list[tuple[int, Obeyed]]:
        """Number and content of the requests that were obeyed, as far as they still matter."""
        found = []
        for number in self.log.index.requests:
            try:
                found.append((number, Obeyed.from_record(self.log.read(number))))
            except Damaged as error:
                self._on_damage(f"request record {number} is passed over: {error}")
        return found

    def point_for(self, fit: int) -> Point | None:
        """The end of fit number `fit`, else its newest intact checkpoint, else None."""
        for numbers, is_final in (
            (self.log.index.finals, True),
            (self.log.index.checkpoints, False),
        ):
            for number in reversed(numbers):
                checkpoint = self._checkpoint(number)
                if checkpoint is None or checkpoint.cursor.fit != fit:
                    continue
                arrays = self._arrays(number, checkpoint)
                if arrays is not None:
                    return Point(number, checkpoint, arrays, is_final)
        return None

    def _checkpoint(self, number: int) -> Checkpoint | None:
        return self._read_checkpoints([number])[number]

    def _read_checkpoints(self, numbers: Iterable[int]) -> dict[int, Checkpoint | None]:
        """The checkpoints of records `numbers`, None for one that is damaged; each is read once."""
        missing = [number for number in numbers if number not in self._checkpoints]
        self._checkpoints |= dict(zip(missing, in_threads(self._parsed, missing), strict=True))
        return {number: self._checkpoints[number] for number in numbers}

    def _parsed(self, number: int) -> Checkpoint | None:
        try:
            return Checkpoint.from_record(self.log.read(number))
        except Damaged as error:
            self._pass_over(number, error)
            return None

    def _arrays(self, number: int, checkpoint: Checkpoint) -> list[np.ndarray[Any, Any]] | None:
        try:
            return read_tensors(self.log.store, self.log.prefix, checkpoint.tensors)
        except Damaged as error:
            self._pass_over(number, error)
            return None

    def _pass_over(self, number: int, error: Damaged) -> None:
        self._damaged.add(number)
        self._on_damage(f"checkpoint {number} is passed over for the one before: {error}")

    def saved(self) -> Iterator[tuple[int, str, Checkpoint]]:
        """Number, kind and content of every checkpoint and end of a fit, in the order of the log."""
        kinds = {
            **dict.fromkeys(self.log.index.checkpoints, "checkpoint"),
            **dict.fromkeys(self.log.index.finals, "final"),
        }
        for number, checkpoint in self._read_checkpoints(sorted(kinds)).items():
            if checkpoint is not None:
                yield number, kinds[number], checkpoint

    def ends_of_fits(self) -> list[Checkpoint]:
        """The `final` checkpoints in the order of their fits."""
        found = self._read_checkpoints(self.log.index.finals).values()
        ends = {c.cursor.fit: c for c in found if c is not None}
        return [ends[fit] for fit in sorted(ends)]

    def result_digest(self) -> str:
        """The digest of all that was trained: weights, optimizers and History of every fit."""
        return digest_of(fit_digest(checkpoint) for checkpoint in self.ends_of_fits())


def prefix_of(job: Job) -> str:
    """The folder of a lineage in the store."""
    return f"{job.namespace}/{job.name}/{job.run}"


def fit_digest(checkpoint: Checkpoint) -> str:
    """The digest of what a fit ended with: weights, optimizer and History, not names or times."""
    tensors = [e.checksum for e in checkpoint.tensors if e.group in ("model", "optimizer")]
    history = checkpoint.state["history"]
    named = {str(place) for place in _array_places(history)}
    arrays = [e.checksum for e in checkpoint.tensors if e.group == "state" and e.path in named]
    return digest_of([*tensors, *arrays, canonical(history).decode()])


def _array_places(document: Any) -> Iterator[int]:
    """The places of the arrays that an encoded document refers to."""
    items = document.values() if isinstance(document, dict) else document
    if isinstance(document, dict) and "$array" in document:
        yield document["$array"]
    elif isinstance(document, dict | list):
        for item in items:
            yield from _array_places(item)


def next_run(store: Store, job: Job) -> Job:
    """The run to use where the user named none: the newest if it is unfinished, else a new one."""
    folder = f"{job.namespace}/{job.name}/"
    runs = {key.removeprefix(folder).split("/")[0] for key in store.list(folder)}
    newest = max((int(run) for run in runs if run.isdigit()), default=0)
    if newest == 0:
        return job
    candidate = Job(job.namespace, job.name, str(newest))
    finished = Lineage(store, candidate, 1, lambda _message: None).is_finished
    return Job(job.namespace, job.name, str(newest + 1)) if finished else candidate
