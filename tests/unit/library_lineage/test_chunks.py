"""Tensors come back bit for bit; what is there already is not sent; damage is found."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from perdure.lineage import encoding
from perdure.lineage.chunk_reader import damages, read_tensors
from perdure.lineage.chunk_writer import PARALLEL, ChunkWriter, Tensor, Written
from perdure.lineage.table import (
    CHUNK_BYTES,
    PACK_BELOW_BYTES,
    Chunk,
    Damaged,
    TensorEntry,
    chunk_key,
    chunks_of,
    cut,
)

PREFIX = "team/digits/1"
random = np.random.default_rng(1)
BITS = random.integers(0, 256, 2 * CHUNK_BYTES + 8, np.uint8)
LARGE = BITS[:PACK_BELOW_BYTES]
WRITER = "w" * 32

CASES = {
    "float32": BITS[:64].view(np.float32).reshape(4, 4),
    "NaN payloads": np.array([0x7FC00001, 0xFFC12345, 0x80000000], np.uint32).view(np.float32),
    "0-d": np.array(-0.0),
    "0-d integer": np.array(7, np.int64),
    "empty": np.zeros((0,), np.float32),
    "empty with shape": np.zeros((3, 0, 2), np.int8),
    "bool": np.array([[True, False], [False, True]]),
    "uint8": BITS[:5],
    "complex64": BITS[:32].view(np.complex64),
    "float16": BITS[:10].view(np.float16),
    "bfloat16": BITS[:10].view(ml_dtypes.bfloat16),
    "0-d bfloat16": np.array(1.5, ml_dtypes.bfloat16),
    "float8": BITS[:6].view(ml_dtypes.float8_e4m3fn),
    "int4": np.array([-8, 7, 0], ml_dtypes.int4),
    "big-endian": np.arange(4, dtype=">i4"),
    "bytes": np.array([b"ab", b"c"]),
    "text": np.array(["ä", "bcd"]),
    "datetime": np.array(["2026-01-02", "NaT"], "datetime64[D]"),
    "transposed": np.arange(12, dtype=np.float64).reshape(3, 4).T,
    "every other": np.arange(12, dtype=np.int32)[::-2],
    "broadcast": np.broadcast_to(np.float32(3), (2, 5)),
    "one byte less than large": BITS[: PACK_BELOW_BYTES - 1],
    "just large": LARGE,
    "large and transposed": BITS.view(np.float32).reshape(2, -1).T,
}
each = pytest.mark.parametrize("array", CASES.values(), ids=CASES.keys())


def write(store: Any, arrays: list[Any], parent: Any = (), **options: Any) -> Written:
    tensors = (Tensor("model", str(n), lambda a=array: a) for n, array in enumerate(arrays))
    return ChunkWriter(store, PREFIX, WRITER, parent, **options).write(tensors)


def chunks(store: Any) -> list[str]:
    return [key.removeprefix(f"{PREFIX}/chunks/") for key in store.list(f"{PREFIX}/chunks/")]


def same_bits(ours: Any, theirs: Any) -> bool:
    return (ours.dtype, ours.shape, ours.tobytes()) == (
        theirs.dtype,
        theirs.shape,
        theirs.tobytes(),
    )


@each
def test_round_trip(store, array):
    (back,) = read_tensors(store, PREFIX, write(store, [array]).entries)
    assert same_bits(back, array)


def test_round_trip_of_all_together(store):
    written = write(store, [*CASES.values()])
    back = read_tensors(store, PREFIX, written.entries)
    assert all(map(same_bits, back, CASES.values()))
    assert [entry.path for entry in written.entries] == [str(n) for n in range(len(CASES))]


def test_a_table_of_nothing(store):
    assert write(store, []) == Written((), 0)
    assert read_tensors(store, PREFIX, ()) == []
    assert list(store.list("")) == []


@pytest.mark.parametrize("compresses", [False, True])
def test_chunks_are_of_the_size_that_a_request_should_have(store, compresses):
    """Of random bytes, and of some that can be compressed."""
    arrays = [BITS, np.zeros(3 * CHUNK_BYTES // 4 + 1, np.float32), *[BITS[:9]] * 3]
    written = write(store, arrays, compresses=compresses)
    assert all(map(same_bits, read_tensors(store, PREFIX, written.entries), arrays))
    sizes = {chunk.bytes for chunk in chunks_of(written.entries)} - {9}
    assert max(sizes) <= CHUNK_BYTES
    assert min(sizes) > CHUNK_BYTES // 2
    stored = sum(store.list(f"{PREFIX}/chunks/").values())
    assert written.sent == stored == sum(c.stored for c in chunks_of(written.entries))
    assert compresses == any(chunk.encoding for chunk in chunks_of(written.entries))


@pytest.mark.parametrize(
    "size",
    [0, 1, PACK_BELOW_BYTES, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES - 3],
)
def test_cut_covers_every_byte_once_in_equal_pieces(size):
    pieces = cut(size)
    assert [place for piece in pieces for place in (piece.start, piece.stop)][1:-1] == [
        place for piece in pieces[1:] for place in (piece.start, piece.start)
    ]
    assert sum(map(len, pieces)) == size
    assert len(pieces) == -(-size // CHUNK_BYTES)
    assert not pieces or max(map(len, pieces)) - min(map(len, pieces)) < len(pieces)


def test_small_tensors_share_a_chunk_and_large_ones_have_their_own(store):
    small = [BITS[n : n + 100] for n in range(50)]
    written = write(store, [*small[:25], LARGE, *small[25:]])
    assert len(chunks(store)) == 2
    assert len(chunks_of(written.entries)) == 2
    assert written.sent == 50 * 100 + len(LARGE)


def test_shared_chunks_do_not_grow_without_bound(store):
    size = PACK_BELOW_BYTES - 1
    arrays = [BITS[n : n + size] for n in range(9)]
    written = write(store, arrays)
    assert len(chunks(store)) == 3
    assert max(chunk.bytes for chunk in chunks_of(written.entries)) <= CHUNK_BYTES
    assert all(map(same_bits, read_tensors(store, PREFIX, written.entries), arrays))


def test_equal_tensors_are_sent_once(store):
    arrays = [LARGE, BITS[:10], LARGE.copy(), BITS[:10].copy()]
    written = write(store, arrays)
    assert written.sent == len(LARGE) + 10
    assert all(map(same_bits, read_tensors(store, PREFIX, written.entries), arrays))


def test_what_the_parent_has_is_not_sent_again(store):
    small = BITS[:10]
    first = write(store, [LARGE, small, small[:5]])
    second = write(store, [LARGE, small, small[:5] + 1], first.entries)
    assert second.sent == 5
    third = write(store, [small, LARGE, LARGE[::-1], small], second.entries)
    assert third.sent == len(LARGE)
    assert write(store, [LARGE, small], third.entries).sent == 0
    back = read_tensors(store, PREFIX, third.entries)
    assert all(map(same_bits, back, [small, LARGE, LARGE[::-1], small]))


def test_rows_of_a_large_tensor_that_did_not_change_are_not_sent_again(store):
    """An embedding of which only the first rows were trained."""
    first = write(store, [BITS])
    trained = BITS.copy()
    trained[:1000] += 1
    second = write(store, [trained], first.entries)
    assert second.sent == -(-len(BITS) // 3)
    assert same_bits(read_tensors(store, PREFIX, second.entries)[0], trained)


def test_a_shared_chunk_that_is_hardly_used_is_not_kept_for_it(store):
    """Else a few bytes that never change would keep every chunk that they were ever in."""
    frozen, parent, sizes = BITS[:10], (), []
    for step in range(8):
        written = write(store, [frozen, BITS[20:1020] + np.uint8(step)], parent)
        parent = written.entries
        sizes.append(sum(chunk.bytes for chunk in chunks_of(parent)))
    assert max(sizes) <= 2 * 1010
    assert all(map(same_bits, read_tensors(store, PREFIX, parent), [frozen, BITS[20:1020] + 7]))


def test_what_another_process_wrote_is_named_and_not_written_again(store):
    first = ChunkWriter(store, PREFIX, "a" * 32).write([Tensor("model", "0", lambda: LARGE)])
    second = write(store, [LARGE, BITS[:10]], first.entries)
    assert {chunk.writer for chunk in chunks_of(second.entries)} == {"a" * 32, WRITER}


def test_tensors_are_read_as_their_bytes_are_sent(store, disturbed):
    """A snapshot must not be in memory twice: few chunks wait for the store at any time."""
    read, sent, most = [], threading.Semaphore(0), []

    def held(_key: str) -> None:
        most.append(len(read))
        assert sent.acquire(timeout=30)

    def tensors() -> Iterator[Tensor]:
        for n in range(40):
            yield Tensor("model", str(n), lambda n=n: read.append(n) or LARGE + np.uint8(n))

    disturbed.before["put"] = held
    writer = threading.Thread(
        target=lambda: ChunkWriter(disturbed, PREFIX, WRITER).write(tensors())
    )
    writer.start()
    for _ in range(40):
        sent.release()
    writer.join(30)
    assert len(read) == 40
    assert most[0] <= 4 * PARALLEL


def test_an_error_ends_the_save_and_the_threads(store, disturbed):
    def fail(key: str) -> None:
        raise OSError(key)

    disturbed.before["put"] = fail
    writer = ChunkWriter(disturbed, PREFIX, WRITER)
    with pytest.raises(OSError, match="chunks"):
        writer.write(Tensor("model", str(n), lambda n=n: LARGE + np.uint8(n)) for n in range(30))
    assert writer.names
    assert not [t for t in threading.enumerate() if t.name.startswith("perdure-chunks")]


@pytest.mark.parametrize("position", [0, 1, 99, 299])
def test_a_flipped_byte_is_damage(store, position):
    written = write(store, [BITS[n : n + 100] for n in range(3)])
    (chunk,) = chunks_of(written.entries)
    data = bytearray(store.get(chunk_key(PREFIX, chunk)))
    data[position] ^= 1
    store.put(chunk_key(PREFIX, chunk), bytes(data))
    with pytest.raises(Damaged, match=f"chunk {chunk.name} holds other bytes than were written"):
        read_tensors(store, PREFIX, written.entries)
    read: list[Chunk] = []
    assert damages(store, PREFIX, [chunk], read.append) == {
        chunk: f"chunk {chunk.name} holds other bytes than were written"
    }
    assert read == [chunk]


def test_bytes_that_were_damaged_on_their_way_are_read_again(store, disturbed):
    written, reads = write(store, [LARGE]), []

    class OnceFlipped:
        def get(self, key: str, most_bytes: int) -> bytes:
            reads.append(key)
            data = bytearray(store.get(key, most_bytes))
            data[7] ^= len(reads) == 1
            return bytes(data)

    assert same_bits(read_tensors(OnceFlipped(), PREFIX, written.entries)[0], LARGE)
    assert len(reads) == 2


def test_a_missing_chunk_is_damage(store):
    written = write(store, [BITS[:10], LARGE])
    chunk = written.entries[1].pieces[0].chunk
    store.delete(chunk_key(PREFIX, chunk))
    with pytest.raises(Damaged, match=f"chunk {chunk.name} is missing"):
        read_tensors(store, PREFIX, written.entries)


@pytest.mark.parametrize("data", [b"", BITS[:9].tobytes(), BITS[:11].tobytes(), bytes(10**6)])
def test_a_chunk_of_another_size_is_damage(store, data):
    written = write(store, [BITS[:10]])
    store.put(chunk_key(PREFIX, chunks_of(written.entries)[0]), data)
    with pytest.raises(Damaged):
        read_tensors(store, PREFIX, written.entries)


def moved(entry: TensorEntry) -> TensorEntry:
    (piece,) = entry.pieces
    return replace(entry, pieces=(replace(piece, offset=piece.offset + 1),))


def swapped(entry: TensorEntry) -> TensorEntry:
    return replace(entry, pieces=entry.pieces[::-1])


@pytest.mark.parametrize(
    ("array", "change"), [(BITS[:10], moved), (BITS[: 2 * CHUNK_BYTES], swapped)]
)
def test_a_table_that_points_elsewhere_is_damage(store, array, change):
    entry, _ = write(store, [array, BITS[10:20]]).entries
    with pytest.raises(Damaged):
        read_tensors(store, PREFIX, (change(entry),))


COMPRESSIBLE = np.arange(5000, dtype=np.float32)


@pytest.mark.parametrize("item_bytes", [1, 2, 4, 8, 3])
def test_compression_is_undone(item_bytes):
    data = COMPRESSIBLE.tobytes()
    name, packed = encoding.compress(data, item_bytes)
    assert len(packed) < len(data)
    assert bytes(encoding.decompress(name, packed, len(data))) == data


def test_what_cannot_be_compressed_is_stored_as_it_is():
    data = BITS[:10000].tobytes()
    assert encoding.compress(data, 4) == ("", data)


@pytest.mark.parametrize(
    ("name", "data", "size"),
    [
        pytest.param("gzip", b"", 10, id="another encoding"),
        pytest.param("zstdx", b"", 10, id="no size of elements"),
        pytest.param("zstd4", b"", 10, id="nothing"),
        pytest.param("zstd4", os.urandom(40), 10, id="no zstd"),
        pytest.param("zstd4", encoding.compress(bytes(10**8), 1)[1], 10**4, id="a bomb"),
        pytest.param("zstd4", encoding.compress(bytes(10**4), 1)[1][:-3], 10**4, id="cut off"),
    ],
)
def test_what_cannot_be_decompressed_is_damage(name, data, size):
    with pytest.raises(Damaged):
        encoding.decompress(name, data, size)


@pytest.mark.parametrize(
    ("rate", "slow"), [(None, False), (1e5, True), (15.9e6, True), (16.1e6, False), (1e10, False)]
)
def test_only_a_link_that_was_measured_slow_is_slow(rate, slow):
    assert encoding.is_slow(rate) is slow
