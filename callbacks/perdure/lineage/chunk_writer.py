"""Tensors to chunks: hashed and sent by a few threads, while the next tensors are read.

What the parent checkpoint has is not sent again: a chunk of a large tensor whose bytes are the same,
and a small tensor in a chunk that it shares, as long as half of that chunk is still in use.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from time import monotonic
from typing import Any

import numpy as np

from perdure.lineage.digest import digest
from perdure.lineage.dtypes import dtype_name
from perdure.lineage.encoding import compress
from perdure.lineage.table import (
    CHUNK_BYTES,
    PACK_BELOW_BYTES,
    Chunk,
    Piece,
    TensorEntry,
    checksum_of,
    chunk_key,
    cut,
)
from perdure.store import Store

PARALLEL = 8  # chunks that are hashed or sent at once, and as many that wait for it
PACK_BYTES = CHUNK_BYTES // 2  # a shared chunk is sent once it is so large
HASHED_AT_ONCE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Tensor:
    """A tensor to be saved. `read()` gives its value as a NumPy array, in a background thread.

    With `is_sealed` group and path stand for this very value, however many checkpoints have it: it shares
    no chunk with others, and where the parent has it, it is not even read.
    """

    group: str
    path: str
    read: Callable[[], np.ndarray[Any, Any]]
    is_sealed: bool = False


@dataclass(frozen=True)
class Written:
    """What became of the tensors: their table, how many bytes were sent for it, and for how many seconds
    at least one request was sending them.
    """

    entries: tuple[TensorEntry, ...]
    sent: int
    sending_seconds: float = 0.0


@dataclass
class _Part:
    """Bytes that get one place: a small tensor or a piece of a large one."""

    data: memoryview
    item_bytes: int
    is_small: bool
    digest: str = ""
    piece: Piece | None = None
    twin: _Part | None = None
    """An earlier part with the same bytes, whose place is this one's too."""

    def settle(self, place: Piece | None) -> None:
        """Its place is known, so its bytes are not needed any more."""
        self.piece, self.data = place, memoryview(b"")


@dataclass
class _Row:
    """A row of the table to be."""

    group: str
    path: str
    dtype: str
    shape: tuple[int, ...]
    parts: list[_Part]

    def entry(self) -> TensorEntry:
        pieces = tuple(_place_of(part) for part in self.parts)
        checksum = checksum_of([part.digest for part in self.parts])
        return TensorEntry(self.group, self.path, self.dtype, self.shape, checksum, pieces)


def _place_of(part: _Part) -> Piece:
    piece = part.piece if part.twin is None else part.twin.piece
    assert piece is not None, "every part has its place once all is sent"
    return piece


@dataclass
class _Pack:
    """Small tensors on their way into one chunk."""

    parts: list[_Part] = field(default_factory=list)
    size: int = 0

    def add(self, part: _Part) -> None:
        self.parts.append(part)
        self.size += len(part.data)


class Present:
    """The places of the parent's bytes that may be named again."""

    def __init__(self, entries: Iterable[TensorEntry]) -> None:
        self._whole: dict[str, Piece] = {}
        self._shared: dict[tuple[str, int], Piece] = {}
        in_use: dict[Chunk, int] = {}
        for entry in entries:
            for piece in entry.pieces:
                if piece.is_whole:
                    self._whole[piece.chunk.digest] = piece
                if len(entry.pieces) == 1:
                    self._shared[entry.checksum, piece.length] = piece
        for piece in {*self._shared.values()}:
            in_use[piece.chunk] = in_use.get(piece.chunk, 0) + piece.length
        self._in_use = in_use

    def place(self, part: _Part) -> Piece | None:
        """Where the bytes of `part` are, None if they have to be sent."""
        if not part.is_small:
            return self._whole.get(part.digest)
        return self._shared.get((part.digest, len(part.data)))

    def is_worn(self, chunk: Chunk) -> bool:
        """Whether the parent used less than half of `chunk`."""
        return 2 * self._in_use.get(chunk, chunk.bytes) < chunk.bytes


class _Traffic:
    """What was sent, and for how long at least one request was under way: reading, hashing and
    compressing in between say nothing of the link.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.seconds = 0.0
        self._lock = threading.Lock()
        self._under_way = 0
        self._began = 0.0

    @contextmanager
    def sending(self, size: int) -> Iterator[None]:
        """A request that sends `size` bytes, in any thread."""
        with self._lock:
            if self._under_way == 0:
                self._began = monotonic()
            self._under_way += 1
        try:
            yield
            with self._lock:
                self.sent += size
        finally:
            with self._lock:
                self._under_way -= 1
                if self._under_way == 0:
                    self.seconds += monotonic() - self._began


class ChunkWriter:
    """Writes the tensors of one checkpoint as chunks of `writer`, beside those of its parent."""

    def __init__(
        self, store: Store, prefix: str, writer: str, parent: Iterable[TensorEntry] = (),
        *, compresses: bool = False, deleted: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._store = store
        self._prefix = prefix
        self._writer = writer
        parent = tuple(parent)
        self._sealed = {(entry.group, entry.path): entry for entry in parent}
        self._present = Present(parent)
        self._compresses = compresses
        self._deleted = deleted
        self._small = _Pack()
        self._changed, self._unchanged = _Pack(), _Pack()  # apart, so that the next save sends less
        self._hashing: deque[tuple[list[_Part], Future[None]]] = deque()
        self._sending: deque[Future[None]] = deque()
        self._seen: dict[str, _Part] = {}
        self.names: set[str] = set()
        """Names of the chunks that were sent, or of which nobody knows whether they were."""
        self._traffic = _Traffic()

    def write(self, tensors: Iterable[Tensor]) -> Written:
        """Drain `tensors` one by one.

        Each is released once its bytes are sent; at most 2 x PARALLEL chunks wait for that.
        """
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="perdure-chunks") as pool:
            try:
                rows = [self._begin(tensor, pool) for tensor in tensors]
                self._end(pool)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        entries = tuple(row.entry() if isinstance(row, _Row) else row for row in rows)
        return Written(entries, self._traffic.sent, self._traffic.seconds)

    def _begin(self, tensor: Tensor, pool: ThreadPoolExecutor) -> _Row | TensorEntry:
        """Hand the bytes of `tensor` to the threads that hash and send them, unless they are there."""
        sealed = self._sealed.get((tensor.group, tensor.path)) if tensor.is_sealed else None
        if sealed is not None:
            return sealed
        array = np.asarray(tensor.read())
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        is_small = len(data) < PACK_BELOW_BYTES and not tensor.is_sealed
        spans = [range(len(data))] if len(data) > 0 and is_small else cut(len(data))
        parts = [_Part(data[s.start : s.stop], max(1, array.itemsize), is_small) for s in spans]
        for part in parts:
            if is_small:
                self._begin_small(part, pool)
            else:
                self._submit(pool, self._send_large, part)
        return _Row(tensor.group, tensor.path, dtype_name(array.dtype), array.shape, parts)

    def _begin_small(self, part: _Part, pool: ThreadPoolExecutor) -> None:
        """Small tensors are hashed many at once: each time a thread waits for Python's lock."""
        self._small.add(part)
        if self._small.size >= HASHED_AT_ONCE_BYTES:
            self._hash_small(pool)
        while len(self._hashing) > PARALLEL:
            self._pack_oldest(pool)

    def _hash_small(self, pool: ThreadPoolExecutor) -> None:
        parts, self._small = self._small.parts, _Pack()
        self._hashing.append((parts, pool.submit(_hash, parts)))

    def _pack_oldest(self, pool: ThreadPoolExecutor) -> None:
        """Give the small tensors that were hashed first their places, or send them."""
        parts, hashed = self._hashing.popleft()
        hashed.result()
        for part in parts:
            place = self._known_place(part)
            if part.twin is None and (place is None or self._present.is_worn(place.chunk)):
                self._pack(part, self._changed if place is None else self._unchanged, pool)
            else:
                part.settle(place)

    def _known_place(self, part: _Part) -> Piece | None:
        """Where the bytes of `part` are already; if they are in an earlier part, it knows that then."""
        first = self._seen.setdefault(part.digest, part)
        part.twin = None if first is part else first
        return self._present.place(part)

    def _pack(self, part: _Part, pack: _Pack, pool: ThreadPoolExecutor) -> None:
        if pack.size + len(part.data) > CHUNK_BYTES:
            self._flush(pack, pool)
        pack.add(part)
        if pack.size >= PACK_BYTES:
            self._flush(pack, pool)

    def _flush(self, pack: _Pack, pool: ThreadPoolExecutor) -> None:
        if pack.parts:
            self._submit(pool, self._send_pack, pack.parts)
        pack.parts, pack.size = [], 0

    def _end(self, pool: ThreadPoolExecutor) -> None:
        self._hash_small(pool)
        while self._hashing:
            self._pack_oldest(pool)
        for pack in (self._unchanged, self._changed):
            self._flush(pack, pool)
        for sending in self._sending:
            sending.result()

    def _submit(self, pool: ThreadPoolExecutor, send: Callable[[Any], None], what: Any) -> None:
        """Send `what` in a thread of the pool; wait while too much is under way."""
        while len(self._sending) >= 2 * PARALLEL:
            self._sending.popleft().result()
        self._sending.append(pool.submit(send, what))

    def _send_large(self, part: _Part) -> None:
        """In a thread of the pool: a piece of a large tensor."""
        part.digest = digest(part.data)
        place = self._known_place(part)
        if part.twin is None and place is None:
            place = Piece(self._put(part.data, part.digest, part.item_bytes), 0, len(part.data))
        part.settle(place)

    def _send_pack(self, parts: list[_Part]) -> None:
        """In a thread of the pool: small tensors as one chunk."""
        data = b"".join(part.data for part in parts)
        name = parts[0].digest if len(parts) == 1 else digest(data)
        chunk, offset = self._put(data, name, parts[0].item_bytes), 0
        for part in parts:
            length = len(part.data)
            part.settle(Piece(chunk, offset, length))
            offset += length

    def _put(self, data: bytes | memoryview, name: str, item_bytes: int) -> Chunk:
        """One PUT, which does not hold Python's lock."""
        encoding, stored = compress(data, item_bytes) if self._compresses else ("", data)
        chunk = self._free(Chunk(self._writer, name, len(data), len(stored), encoding))
        self.names.add(chunk.name)
        with self._traffic.sending(len(stored)):
            self._store.put(chunk_key(self._prefix, chunk), stored)
        return chunk

    def _free(self, chunk: Chunk) -> Chunk:
        """`chunk` under a name that no request to delete it can still hit."""
        numbers = count(2)
        while chunk.name in self._deleted:
            chunk = replace(chunk, writer=f"{self._writer}/{next(numbers)}")
        return chunk


def _hash(parts: list[_Part]) -> None:
    """In a thread of the pool."""
    for part in parts:
        part.digest = digest(part.data)
