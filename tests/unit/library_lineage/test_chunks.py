"""Tensors come back bit for bit; what is there already is not sent; damage is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from perdure.lineage.chunks import (
    OWN_CHUNK_BYTES,
    SHARED_CHUNK_BYTES,
    ChunkWriter,
    Tensor,
    Written,
    chunk_key,
    read_tensors,
)
from perdure.lineage.records import Damaged

PREFIX = "team/digits/1"
random = np.random.default_rng(1)
BITS = random.integers(0, 256, 2 * OWN_CHUNK_BYTES, np.uint8)

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
    "one byte less than large": BITS[: OWN_CHUNK_BYTES - 1],
    "just large": BITS[:OWN_CHUNK_BYTES],
    "large and transposed": BITS.view(np.float32).reshape(2, -1).T,
}
each = pytest.mark.parametrize("array", CASES.values(), ids=CASES.keys())


def write(store: Any, arrays: list[Any], present: Any = ()) -> Written:
    tensors = (Tensor("model", str(n), lambda a=array: a) for n, array in enumerate(arrays))
    return ChunkWriter(store, PREFIX, present).write(tensors)


def chunks(store: Any) -> list[str]:
    return [key.rsplit("/", 1)[1] for key in store.list(f"{PREFIX}/chunks/")]


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


def test_small_tensors_share_a_chunk_and_large_ones_have_their_own(store):
    small, large = [BITS[n : n + 100] for n in range(50)], BITS[:OWN_CHUNK_BYTES]
    written = write(store, [*small[:25], large, *small[25:]])
    assert len(chunks(store)) == 2
    assert len({entry.chunk for entry in written.entries}) == 2
    assert written.sent == 50 * 100 + OWN_CHUNK_BYTES


def test_shared_chunks_do_not_grow_without_bound(store):
    size = OWN_CHUNK_BYTES - 1
    count = 2 * SHARED_CHUNK_BYTES // size + 3
    arrays = [random.integers(0, 256, size, np.uint8) for _ in range(count)]
    written = write(store, arrays)
    assert len(chunks(store)) == 3
    assert all(map(same_bits, read_tensors(store, PREFIX, written.entries), arrays))


def test_equal_tensors_are_sent_once(store):
    large = BITS[:OWN_CHUNK_BYTES]
    written = write(store, [large, BITS[:10], large.copy()])
    assert written.sent == OWN_CHUNK_BYTES + 10
    assert all(
        map(same_bits, read_tensors(store, PREFIX, written.entries), [large, BITS[:10], large])
    )


def test_what_is_present_is_not_sent_again(store):
    large, small = BITS[:OWN_CHUNK_BYTES], BITS[:10]
    first = write(store, [large, small])
    second = write(store, [large, small + 1], {entry.chunk for entry in first.entries})
    assert second.sent == 10
    assert write(store, [large, small], chunks(store)).sent == 0
    back = read_tensors(store, PREFIX, second.entries)
    assert all(map(same_bits, back, [large, small + 1]))


def test_tensors_are_read_one_at_a_time(store):
    """A snapshot must not be in memory twice."""
    seen: list[int] = []

    def tensors() -> Iterator[Tensor]:
        for n in range(3):
            assert len(seen) == n, "the one before was not drained"
            yield Tensor("model", str(n), lambda n=n: seen.append(n) or BITS[:OWN_CHUNK_BYTES] + n)

    ChunkWriter(store, PREFIX, ()).write(tensors())
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("position", [0, 1, 99, 299])
def test_a_flipped_byte_is_damage(store, position):
    written = write(store, [BITS[n : n + 100] for n in range(3)])
    (name,) = chunks(store)
    data = bytearray(store.get(chunk_key(PREFIX, name)))
    data[position] ^= 1
    store.put(chunk_key(PREFIX, name), bytes(data))
    with pytest.raises(Damaged, match=f"chunk {name} holds other bytes than were written"):
        read_tensors(store, PREFIX, written.entries)


def test_a_missing_chunk_is_damage(store):
    written = write(store, [BITS[:10], BITS])
    (name,) = {written.entries[1].chunk}
    store.delete(chunk_key(PREFIX, name))
    with pytest.raises(Damaged, match=f"chunk {name} is missing"):
        read_tensors(store, PREFIX, written.entries)


def test_a_truncated_chunk_is_damage(store):
    written = write(store, [BITS[:10]])
    store.put(chunk_key(PREFIX, chunks(store)[0]), BITS[:9].tobytes())
    with pytest.raises(Damaged):
        read_tensors(store, PREFIX, written.entries)


def test_a_table_that_points_elsewhere_is_damage(store):
    (entry,) = write(store, [BITS[:10]]).entries
    with pytest.raises(Damaged, match="tensor 0 holds other bytes"):
        read_tensors(store, PREFIX, (replace(entry, offset=1),))
