"""The records of a lineage's log and their encoding.

Every record is a JSON object with a checksum over itself. Its `index` names the records that a
reader needs, so that reading a lineage of thousands of attempts takes a handful of requests.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from perdure.lineage.digest import canonical, digest
from perdure.lineage.table import (
    Chunk,
    Damaged,
    TensorEntry,
    chunks_of,
    table_from_json,
    table_to_json,
)
from perdure.store import Unusable

SCHEMA = 2
MOST_RECORD_BYTES = 64 * 1024 * 1024


class RecordKind(StrEnum):
    """What a record says."""

    START = "start"
    CHECKPOINT = "checkpoint"
    FINAL = "final"
    FINISHED = "finished"
    REQUEST = "request"
    PRUNED = "pruned"


class OtherSchema(Unusable):
    """A record of another version of Perdure: neither damaged nor readable."""


def now() -> str:
    """The current time, RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Index:
    """Numbers of the records that matter, as the writer of a record knew them (itself included).

    `dropped` are given up, and whoever did it may have been killed before they were deleted.
    """

    start: int | None = None
    checkpoints: tuple[int, ...] = ()
    finals: tuple[int, ...] = ()
    finished: int | None = None
    requests: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()

    def with_record(self, kind: RecordKind, number: int) -> Index:
        """The index after record `number` of `kind` was appended."""
        match kind:
            case RecordKind.START:
                return replace(self, start=number)
            case RecordKind.CHECKPOINT:
                return replace(self, checkpoints=(*self.checkpoints, number))
            case RecordKind.FINAL:
                return replace(self, finals=(*self.finals, number))
            case RecordKind.FINISHED:
                return replace(self, finished=number)
            case RecordKind.REQUEST:
                return replace(self, requests=(*self.requests, number))
            case RecordKind.PRUNED:
                return self

    def unfinished(self) -> Index:
        """The index of a lineage that goes on after the end of its last fit."""
        return replace(self, finished=None)

    def reopened(self) -> Index:
        """The index of a lineage whose last fit is to be trained on."""
        finals = self.finals[:-1] if self.finished is not None else self.finals
        return replace(self, finals=finals, finished=None)

    def dropping(self, numbers: Iterable[int]) -> Index:
        """The index after records `numbers` were given up; they wait to be deleted."""
        return replace(self.without({*numbers}), dropped=tuple(sorted({*self.dropped, *numbers})))

    def without(self, numbers: set[int]) -> Index:
        """The index without `numbers`, of which there is nothing any more."""
        return replace(
            self,
            dropped=tuple(n for n in self.dropped if n not in numbers),
            checkpoints=tuple(n for n in self.checkpoints if n not in numbers),
            requests=tuple(n for n in self.requests if n not in numbers),
        )


@dataclass(frozen=True)
class Record:
    """One entry of the log."""

    number: int
    kind: RecordKind
    writer: str
    attempt: int
    index: Index
    body: dict[str, Any]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    time: str = field(default_factory=now)

    def encode(self) -> bytes:
        """The record's bytes in the store."""
        document = {
            "schema": SCHEMA, "number": self.number, "kind": self.kind, "writer": self.writer,
            "attempt": self.attempt, "index": asdict(self.index), "body": self.body,
            "id": self.id, "time": self.time,
        }  # fmt: skip
        data = canonical(document)
        return data[:-1] + f',"checksum":"{digest(data)}"}}'.encode()

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Parse a record.

        Raises:
            Damaged: the bytes are not a record as it was written.
            OtherSchema: they are one of another version.
        """
        try:
            document = json.loads(data)
            checksum = document.pop("checksum")
            is_intact = digest(canonical(document)) == checksum
            _check_schema(document.pop("schema"), is_intact=is_intact)
            if not is_intact:
                raise Damaged("its checksum does not match")
            index = document.pop("index")
            lists = {name: tuple(index[name]) for name in _INDEX_LISTS}
            kind = RecordKind(document.pop("kind"))
            return cls(kind=kind, index=Index(**{**index, **lists}), **document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"not an intact record: {error}") from error


_INDEX_LISTS = ("checkpoints", "finals", "requests", "dropped")


def _check_schema(schema: Any, *, is_intact: bool) -> None:
    """The first schema had checksums of another kind."""
    if schema == 1 or (is_intact and schema != SCHEMA):
        raise OtherSchema(
            f"Expected a record of schema {SCHEMA}. Received: schema {schema}, of another version of "
            f"Perdure. Use that version for this lineage, or a new spec.run (PERDURE_JOB)."
        )


@dataclass(frozen=True, order=True)
class Cursor:
    """After train batch `batch` (counted from 1) of `epoch` (from 0) of the process' fit `fit` (from 0)."""

    fit: int
    epoch: int
    batch: int


@dataclass(frozen=True)
class Checkpoint:
    """The body of a `checkpoint` or `final` record."""

    cursor: Cursor
    step: int
    tensors: tuple[TensorEntry, ...]
    state: dict[str, Any]
    parent: int | None = None
    timings: dict[str, float] = field(default_factory=dict)
    time: str = ""
    """When its record was made."""

    @property
    def bytes(self) -> int:
        """Size of all tensors."""
        return sum(entry.length for entry in self.tensors)

    @property
    def value(self) -> float | None:
        """The monitored value, where the epoch of the checkpoint had ended and had one."""
        value: float | None = self.state.get("value")
        return value

    @property
    def monitored(self) -> str | None:
        """What `value` is of, as `monitor:mode`."""
        monitored: str | None = self.state.get("monitored")
        return monitored

    def chunks(self) -> list[Chunk]:
        """The chunks that hold the tensors."""
        return chunks_of(self.tensors)

    def to_body(self) -> dict[str, Any]:
        """The record body."""
        return {
            "cursor": asdict(self.cursor), "step": self.step, "state": self.state,
            "parent": self.parent, "timings": self.timings, **table_to_json(self.tensors),
        }  # fmt: skip

    @classmethod
    def from_record(cls, record: Record) -> Checkpoint:
        """Parse a record's body.

        Raises:
            Damaged: the body is not a checkpoint's.
        """
        try:
            body = dict(record.body)
            tensors = table_from_json(body)
            del body["chunks"], body["tensors"]
            cursor = Cursor(**body.pop("cursor"))
            return cls(cursor=cursor, tensors=tensors, time=record.time, **body)
        except (KeyError, TypeError, Damaged) as error:
            raise Damaged(f"record {record.number} is not a checkpoint: {error}") from error


@dataclass(frozen=True)
class Obeyed:
    """The body of a `request` record: a request, and after which batch training obeys it.

    It is written before the request takes effect, so a process that goes on from an older checkpoint
    obeys it at the same batch again. Without a cursor it has changed nothing in training.
    """

    id: int
    verb: str
    arguments: dict[str, Any]
    cursor: Cursor | None

    def to_body(self) -> dict[str, Any]:
        """The record body."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Record) -> Obeyed:
        """Parse a record's body.

        Raises:
            Damaged: the body is not a request's.
        """
        try:
            cursor = record.body["cursor"]
            return cls(**{**record.body, "cursor": Cursor(**cursor) if cursor else None})
        except (KeyError, TypeError) as error:
            raise Damaged(f"record {record.number} is not a request: {error}") from error
