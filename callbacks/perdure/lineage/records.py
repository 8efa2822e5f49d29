"""The records of a lineage's log and their encoding.

Every record is a JSON object with a checksum over itself. Its `index` names the records that a
reader needs, so that reading a lineage of thousands of attempts takes a handful of requests.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from perdure.lineage.digest import canonical, digest

SCHEMA = 1


class RecordKind(StrEnum):
    """What a record says."""

    START = "start"
    CHECKPOINT = "checkpoint"
    FINAL = "final"
    FINISHED = "finished"
    REQUEST = "request"


class Damaged(ValueError):
    """A record or chunk that is not what was written."""


def now() -> str:
    """The current time, RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Index:
    """Numbers of the records that matter, as the writer of a record knew them (itself included)."""

    start: int | None = None
    checkpoints: tuple[int, ...] = ()
    finals: tuple[int, ...] = ()
    finished: int | None = None
    requests: tuple[int, ...] = ()

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

    def unfinished(self) -> Index:
        """The index of a lineage that goes on after the end of its last fit."""
        return replace(self, finished=None)

    def reopened(self) -> Index:
        """The index of a lineage whose last fit is to be trained on."""
        finals = self.finals[:-1] if self.finished is not None else self.finals
        return replace(self, finals=finals, finished=None)

    def without(self, numbers: set[int]) -> Index:
        """The index without checkpoints and requests `numbers`."""
        return replace(
            self,
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
        document = {"schema": SCHEMA, **asdict(self)}
        return canonical({**document, "checksum": digest(canonical(document))})

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Parse a record.

        Raises:
            Damaged: the bytes are not a record as it was written, or of a newer schema.
        """
        try:
            document = json.loads(data)
            checksum = document.pop("checksum")
            if digest(canonical(document)) != checksum:
                raise Damaged("its checksum does not match")
            if document.pop("schema") != SCHEMA:
                raise Damaged(f"expected schema {SCHEMA}")
            index = document.pop("index")
            lists = {name: tuple(index[name]) for name in ("checkpoints", "finals")}
            lists["requests"] = tuple(
                index.get("requests", ())
            )  # of the first release there are none
            kind = RecordKind(document.pop("kind"))
            return cls(kind=kind, index=Index(**{**index, **lists}), **document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"not an intact record: {error}") from error


@dataclass(frozen=True, order=True)
class Cursor:
    """After train batch `batch` (counted from 1) of `epoch` (from 0) of the process' fit `fit` (from 0)."""

    fit: int
    epoch: int
    batch: int


@dataclass(frozen=True)
class TensorEntry:
    """A row of a checkpoint's tensor table: where the bytes of one tensor lie."""

    group: str
    path: str
    dtype: str
    shape: tuple[int, ...]
    chunk: str
    offset: int
    length: int
    checksum: str

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TensorEntry:
        """Parse a row."""
        return cls(**{**document, "shape": tuple(document["shape"])})


@dataclass(frozen=True)
class Checkpoint:
    """The body of a `checkpoint` or `final` record."""

    cursor: Cursor
    step: int
    tensors: tuple[TensorEntry, ...]
    state: dict[str, Any]
    parent: int | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all tensors."""
        return sum(entry.length for entry in self.tensors)

    @property
    def chunks(self) -> frozenset[str]:
        """Names of the chunks that hold the tensors."""
        return frozenset(entry.chunk for entry in self.tensors)

    def to_body(self) -> dict[str, Any]:
        """The record body."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Record) -> Checkpoint:
        """Parse a record's body.

        Raises:
            Damaged: the body is not a checkpoint's.
        """
        try:
            body = dict(record.body)
            body["cursor"] = Cursor(**body["cursor"])
            body["tensors"] = tuple(TensorEntry.from_json(entry) for entry in body["tensors"])
            return cls(**body)
        except (KeyError, TypeError) as error:
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
