"""Chunks back to tensors: read by several threads, verified as they arrive, and only then used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from perdure.lineage.digest import digest
from perdure.lineage.dtypes import dtype_of
from perdure.lineage.encoding import decompress
from perdure.lineage.parallel import in_threads
from perdure.lineage.table import (
    Chunk,
    Damaged,
    Piece,
    TensorEntry,
    checksum_of,
    chunk_key,
)
from perdure.store import Data, Missing, Store, TooLarge

TRIES = 3

Array = np.ndarray[Any, Any]


def read_tensors(store: Store, prefix: str, entries: Sequence[TensorEntry]) -> list[Array]:
    """Read and verify the tensors of a table, in its order.

    A tensor that lies in one chunk is a view of what was received, which cannot be written.

    Raises:
        Damaged: a chunk is missing or its bytes are not what was written.
    """
    places = _places(entries)
    memory = {
        row: np.empty(entry.length, np.uint8)
        for row, entry in enumerate(entries)
        if len(entry.pieces) != 1
    }

    def read(chunk: Chunk) -> None:
        data = memoryview(content(store, prefix, chunk))
        for row, piece, start in places[chunk]:
            part = data[piece.offset : piece.offset + piece.length]
            if not piece.is_whole and digest(part) != entries[row].checksum:
                raise Damaged(f"chunk {chunk.name} holds other bytes of a tensor than were written")
            if len(entries[row].pieces) == 1:
                memory[row] = np.frombuffer(part, np.uint8)
            else:
                memory[row][start : start + len(part)] = np.frombuffer(part, np.uint8)

    in_threads(read, places)
    return [_tensor(entry, memory[row]) for row, entry in enumerate(entries)]


Place = tuple[int, Piece, int]


def _places(entries: Sequence[TensorEntry]) -> dict[Chunk, list[Place]]:
    """For each chunk: the pieces in it, of which row of the table, and from which of its bytes on."""
    places: dict[Chunk, list[Place]] = {}
    for row, entry in enumerate(entries):
        _check_pieces(entry)
        start = 0
        for piece in entry.pieces:
            places.setdefault(piece.chunk, []).append((row, piece, start))
            start += piece.length
    return places


def _tensor(entry: TensorEntry, memory: np.ndarray[Any, np.dtype[np.uint8]]) -> Array:
    if entry.length == 0:
        return np.empty(entry.shape, dtype_of(entry.dtype))
    return memory.view(dtype_of(entry.dtype)).reshape(entry.shape)


def _check_pieces(entry: TensorEntry) -> None:
    """The checksum of a tensor of whole chunks is that of their digests; no byte is hashed twice."""
    is_whole = all(piece.is_whole for piece in entry.pieces)
    if len(entry.pieces) > 1 and not is_whole:
        raise Damaged(f"tensor {entry.path} is in several chunks that it shares")
    if is_whole and checksum_of([p.chunk.digest for p in entry.pieces]) != entry.checksum:
        raise Damaged(f"tensor {entry.path} names other chunks than were written")


def damages(
    store: Store, prefix: str, chunks: Sequence[Chunk], on_read: Callable[[Chunk], None]
) -> dict[Chunk, str]:
    """The chunks that cannot be used, with the reason; each is read and let go.

    `on_read` is called in several threads with each chunk that was read.
    """

    def check(chunk: Chunk) -> str | None:
        try:
            content(store, prefix, chunk)
        except Damaged as error:
            return str(error)
        finally:
            on_read(chunk)
        return None

    checked = zip(chunks, in_threads(check, chunks), strict=True)
    return {chunk: problem for chunk, problem in checked if problem is not None}


def content(store: Store, prefix: str, chunk: Chunk) -> Data:
    """The verified bytes of `chunk`.

    Raises:
        Damaged: it is missing, or its bytes are not what was written.
    """
    for _ in range(TRIES - 1):
        try:
            return _content(store, prefix, chunk)
        except Damaged:  # on its way only, perhaps
            continue
    return _content(store, prefix, chunk)


def _content(store: Store, prefix: str, chunk: Chunk) -> Data:
    try:
        stored = store.get(chunk_key(prefix, chunk), chunk.stored)
        data = decompress(chunk.encoding, stored, chunk.bytes)
    except Missing as error:
        raise Damaged(f"chunk {chunk.name} is missing") from error
    except (TooLarge, Damaged) as error:
        raise Damaged(f"chunk {chunk.name}: {error}") from error
    if len(data) != chunk.bytes or digest(data) != chunk.digest:
        raise Damaged(f"chunk {chunk.name} holds other bytes than were written")
    return data
