"""How much host memory the sending of chunks takes, as docs/checkpoints.md says under "Memory"."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from slow_store import SlowStore

from perdure.lineage.chunk_writer import (
    HASHED_AT_ONCE_BYTES,
    PACK_BYTES,
    PARALLEL,
    ChunkWriter,
    Tensor,
)
from perdure.lineage.table import CHUNK_BYTES, PACK_BELOW_BYTES

MiB = 1024 * 1024
LEAST_BYTES = MiB
MOST_OF_A_PACK = PACK_BYTES + PACK_BELOW_BYTES
LARGE = 40 * MiB
SMALL = 15 * MiB // 4
STATE = 10 * LARGE

Make = Callable[[int], np.ndarray[Any, Any]]


def fresh(size: int) -> Make:
    """Tensor `n` of `size` bytes, made when it is asked for as the copy from a device is."""
    return lambda n: np.arange(n * size // 4, (n + 1) * size // 4, dtype=np.uint32)


def on_host(size: int) -> Make:
    """Tensors that are there before the save begins, and stay."""
    made = [fresh(size)(n) for n in range(STATE // size)]
    return lambda n: made[n]


def peak(make: Make, size: int, **options: Any) -> int:
    """The most bytes that a save of `STATE` allocates beside what was there."""
    tensors: Iterator[Tensor] = (
        Tensor("model", str(n), lambda n=n: make(n))  # type: ignore[misc]
        for n in range(STATE // size)
    )
    tracemalloc.start()
    try:
        ChunkWriter(SlowStore(), "p", "w" * 32, **options).write(tensors)  # type: ignore[arg-type]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_large_tensors_on_the_host_are_not_copied():
    assert peak(on_host(LARGE), LARGE) < LEAST_BYTES


def test_packs_of_small_ones_are_copies():
    found = peak(on_host(SMALL), SMALL)
    assert PARALLEL * MOST_OF_A_PACK / 2 < found < PARALLEL * MOST_OF_A_PACK + LEAST_BYTES


@pytest.mark.parametrize("size", [16 * MiB, LARGE, 5 * LARGE])
def test_large_tensors_from_a_device_are_copied_whole(size):
    most = 2 * PARALLEL * CHUNK_BYTES + 2 * size
    assert most / 3 < peak(fresh(size), size) < most + LEAST_BYTES


def test_small_tensors_from_a_device_wait_to_be_packed():
    packing = 2 * MOST_OF_A_PACK + (PARALLEL + 2) * (HASHED_AT_ONCE_BYTES + PACK_BELOW_BYTES)
    most = 3 * PARALLEL * MOST_OF_A_PACK + packing
    assert most / 3 < peak(fresh(SMALL), SMALL) < most + LEAST_BYTES


@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_compression_adds_two_copies_of_each_chunk_that_is_sent(size):
    packs = 0 if size == LARGE else PARALLEL * MOST_OF_A_PACK
    most = packs + 2 * PARALLEL * CHUNK_BYTES
    found = peak(on_host(size), size, compresses=True)
    assert most / 4 < found < most + PARALLEL * LEAST_BYTES
