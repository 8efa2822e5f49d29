"""Tensors to content-addressed chunks and back.

A large tensor is a chunk of its own, so that what did not change is not sent again; small ones share
chunks, so that thousands of them are not thousands of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from perdure.lineage.digest import digest
from perdure.lineage.records import Damaged, TensorEntry
from perdure.store import Missing, Store

OWN_CHUNK_BYTES = 256 * 1024
SHARED_CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Tensor:
    """A tensor to be saved. `read()` gives its value as a NumPy array, in a background thread."""

    group: str
    path: str
    read: Callable[[], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Written:
    """What became of the tensors: their table, and how many bytes were sent for it."""

    entries: tuple[TensorEntry, ...]
    sent: int


class ChunkWriter:
    """Writes the tensors of one checkpoint, passing over the chunks in `present`."""

    def __init__(self, store: Store, prefix: str, present: Iterable[str]) -> None:
        self._store = store
        self._prefix = prefix
        self._present = set(present)
        self._entries: list[TensorEntry] = []
        self._shared: list[tuple[TensorEntry, bytes]] = []
        self._sent = 0

    def write(self, tensors: Iterator[Tensor]) -> Written:
        """Drain `tensors` one by one; each is released before the next is read."""
        for tensor in tensors:
            self._add(tensor)
        self._flush()
        return Written(tuple(self._entries), self._sent)

    def _add(self, tensor: Tensor) -> None:
        array = np.asarray(tensor.read())
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        checksum = digest(data)
        entry = TensorEntry(
            tensor.group,
            tensor.path,
            dtype_name(array.dtype),
            array.shape,
            checksum,
            0,
            len(data),
            checksum,
        )
        self._entries.append(entry)
        if len(data) >= OWN_CHUNK_BYTES:
            self._put(checksum, data)
            return
        self._shared.append((entry, bytes(data)))
        if sum(entry.length for entry, _ in self._shared) >= SHARED_CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Write the small tensors that wait as one chunk and note their places in it."""
        if not self._shared:
            return
        data = b"".join(piece for _, piece in self._shared)
        chunk, offset, placed = digest(data), 0, {}
        for entry, _ in self._shared:
            placed[id(entry)] = replace(entry, chunk=chunk, offset=offset)
            offset += entry.length
        self._entries = [placed.get(id(entry), entry) for entry in self._entries]
        self._shared.clear()
        self._put(chunk, data)

    def _put(self, chunk: str, data: bytes | memoryview) -> None:
        if chunk in self._present:
            return
        self._store.put(chunk_key(self._prefix, chunk), data)
        self._present.add(chunk)
        self._sent += len(data)


def chunk_key(prefix: str, chunk: str) -> str:
    """The key of `chunk` below a lineage's prefix."""
    return f"{prefix}/chunks/{chunk}"


def dtype_name(dtype: np.dtype[Any]) -> str:
    """A name that `dtype_of` gives the type back for; custom types (bfloat16) have a plain name."""
    return dtype.name if dtype.kind == "V" else dtype.str


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy type called `name`."""
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return dtype


def read_tensors(
    store: Store, prefix: str, entries: tuple[TensorEntry, ...], *, parallel: int = 8
) -> list[np.ndarray[Any, Any]]:
    """Read and verify the tensors of a table, in its order.

    Raises:
        Damaged: a chunk is missing or its bytes are not what was written.
    """
    chunks = sorted({entry.chunk for entry in entries})
    with ThreadPoolExecutor(parallel) as pool:
        data = dict(
            zip(chunks, pool.map(lambda c: _verified(store, prefix, c), chunks), strict=True)
        )
    return [_tensor(entry, data[entry.chunk]) for entry in entries]


def _verified(store: Store, prefix: str, chunk: str) -> bytes:
    try:
        data = bytes(store.get(chunk_key(prefix, chunk)))
    except Missing as error:
        raise Damaged(f"chunk {chunk} is missing") from error
    if digest(data) != chunk:
        raise Damaged(f"chunk {chunk} holds other bytes than were written")
    return data


def _tensor(entry: TensorEntry, data: bytes) -> np.ndarray[Any, Any]:
    piece = memoryview(data)[entry.offset : entry.offset + entry.length]
    if digest(piece) != entry.checksum:
        raise Damaged(f"tensor {entry.path} holds other bytes than were written")
    return np.frombuffer(piece, dtype_of(entry.dtype)).reshape(entry.shape)
