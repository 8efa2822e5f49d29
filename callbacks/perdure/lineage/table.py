"""The tensor table of a checkpoint: which bytes of which chunks a tensor consists of.

A large tensor is cut into pieces of equal size, each a chunk of its own; small ones share chunks. A
chunk lies below the id of the process that wrote it, so that a process never writes where another one
has written: what a killed process left behind can be deleted without asking a clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perdure.lineage.digest import digest, digest_of
from perdure.lineage.dtypes import dtype_of

CHUNK_BYTES = 16 * 1024 * 1024  # one request each; S3 is fastest between 8 and 16 MiB
PACK_BELOW_BYTES = 4 * 1024 * 1024  # smaller tensors share a chunk


class Damaged(ValueError):
    """A record or chunk that is not what was written."""


@dataclass(frozen=True)
class Chunk:
    """An object in the store with `bytes` bytes of content, which take `stored` bytes there.

    `encoding` is empty, or says how the content is compressed: see `perdure.lineage.encoding`.
    """

    writer: str
    digest: str
    bytes: int
    stored: int
    encoding: str = ""

    @property
    def name(self) -> str:
        """The key below the lineage's folder of chunks."""
        suffix = f".{self.encoding}" if self.encoding else ""
        return f"{self.writer}/{self.digest}{suffix}"


@dataclass(frozen=True)
class Piece:
    """`length` bytes of `chunk` from `offset` on."""

    chunk: Chunk
    offset: int
    length: int

    @property
    def is_whole(self) -> bool:
        """Whether the piece is all of its chunk, so that the chunk's digest is its own."""
        return self.length == self.chunk.bytes


@dataclass(frozen=True)
class TensorEntry:
    """A row of the table. `checksum` is the digest of the bytes, or of the pieces' digests."""

    group: str
    path: str
    dtype: str
    shape: tuple[int, ...]
    checksum: str
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """Size in bytes."""
        return sum(piece.length for piece in self.pieces)


def cut(size: int) -> list[range]:
    """The bytes of each piece of a tensor of `size` bytes: equal, and none larger than a chunk."""
    if size == 0:
        return []
    length = -(-size // -(-size // CHUNK_BYTES))
    return [range(start, min(start + length, size)) for start in range(0, size, length)]


def checksum_of(digests: Sequence[str]) -> str:
    """The checksum of a tensor whose pieces have `digests`."""
    if not digests:
        return digest(b"")
    return digests[0] if len(digests) == 1 else digest_of(digests)


def table_to_json(tensors: Sequence[TensorEntry]) -> dict[str, Any]:
    """The table as two lists of rows; a piece names its chunk by its place."""
    places = {chunk: place for place, chunk in enumerate(chunks_of(tensors))}
    return {
        "chunks": [[c.writer, c.digest, c.bytes, c.stored, c.encoding] for c in places],
        "tensors": [
            [
                e.group, e.path, e.dtype, e.shape, e.checksum,
                [[places[p.chunk], p.offset, p.length] for p in e.pieces],
            ]
            for e in tensors
        ],
    }  # fmt: skip


def table_from_json(document: Mapping[str, Any]) -> tuple[TensorEntry, ...]:
    """Parse a table.

    Raises:
        Damaged: it is none, or names more bytes than its tensors have or its chunks hold.
    """
    try:
        chunks = [_bounded(Chunk(*row)) for row in document["chunks"]]
        return tuple(_entry(row, chunks) for row in document["tensors"])
    except Damaged:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Damaged(f"not a table of tensors: {error}") from error


def _entry(row: Sequence[Any], chunks: Sequence[Chunk]) -> TensorEntry:
    group, path, dtype, shape, checksum, places = row
    pieces = tuple(Piece(chunks[place], offset, length) for place, offset, length in places)
    entry = TensorEntry(group, path, dtype, tuple(shape), checksum, pieces)
    size = math.prod(entry.shape) * dtype_of(dtype).itemsize
    if entry.length != size or not all(_fits(piece) for piece in pieces):
        raise Damaged(f"tensor {path} of {size} bytes names other bytes than it has")
    return entry


def _fits(piece: Piece) -> bool:
    return 0 <= piece.offset <= piece.offset + piece.length <= piece.chunk.bytes


def _bounded(chunk: Chunk) -> Chunk:
    """Nothing is read into memory that is larger than a chunk can be."""
    if not (0 < chunk.bytes <= CHUNK_BYTES and 0 < chunk.stored <= CHUNK_BYTES):
        raise Damaged(f"chunk {chunk.name} of {chunk.bytes} bytes is larger than chunks are")
    return chunk


def chunks_of(tensors: Iterable[TensorEntry]) -> list[Chunk]:
    """The chunks that the tensors are in, each once, in their order."""
    return list(dict.fromkeys(piece.chunk for entry in tensors for piece in entry.pieces))


def chunk_folder(prefix: str) -> str:
    """The folder of all chunks of a lineage."""
    return f"{prefix}/chunks/"


def chunk_key(prefix: str, chunk: Chunk) -> str:
    """The key of `chunk` in the store of the lineage at `prefix`."""
    return f"{chunk_folder(prefix)}{chunk.name}"
