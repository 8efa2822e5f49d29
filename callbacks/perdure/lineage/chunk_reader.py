"""Chunks back to tensors: read by several threads, verified as they arrive, and only then used."""

from __future__ import annotations

import math
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
    TensorEntry,
    checksum_of,
    chunk_key,
)
from perdure.store import Data, Missing, Store, TooLarge

TRIES = 3

Array = np.ndarray[Any, Any]


def read_tensors(store: Store, prefix: str, entries: Sequence[TensorEntry]) -> list[Array]:
    """Read and verify the tensors of a table, in its order.

    Raises:
        Damaged: a chunk is missing or its bytes are not what was written.
    """
    arrays = [np.empty(math.prod(e.shape), dtype_of(e.dtype)) for e in entries]
    targets = _targets(entries, arrays)

    def read(chunk: Chunk) -> None:
        data = memoryview(content(store, prefix, chunk))
        for offset, target, checksum in targets[chunk]:
            piece = data[offset : offset + len(target)]
            if checksum is not None and digest(piece) != checksum:
                raise Damaged(f"chunk {chunk.name} holds other bytes of a tensor than were written")
            target[:] = np.frombuffer(piece, np.uint8)

    in_threads(read, targets)
    return [array.reshape(e.shape) for e, array in zip(entries, arrays, strict=True)]


Target = tuple[int, np.ndarray[Any, np.dtype[np.uint8]], str | None]


def _targets(entries: Sequence[TensorEntry], arrays: Sequence[Array]) -> dict[Chunk, list[Target]]:
    """For each chunk: from which offset which bytes of memory are filled, and their checksum where the
    chunk's own digest does not say it.
    """
    targets: dict[Chunk, list[Target]] = {}
    for entry, array in zip(entries, arrays, strict=True):
        _check_pieces(entry)
        memory, start = array.view(np.uint8) if array.size else np.empty(0, np.uint8), 0
        for piece in entry.pieces:
            checksum = None if piece.is_whole else entry.checksum
            place = memory[start : start + piece.length]
            targets.setdefault(piece.chunk, []).append((piece.offset, place, checksum))
            start += piece.length
    return targets


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
