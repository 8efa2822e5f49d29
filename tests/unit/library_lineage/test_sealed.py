"""Tensors whose name stands for their value: sent once, and not read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perdure.lineage.chunk_reader import read_tensors
from perdure.lineage.chunk_writer import ChunkWriter, Tensor, Written
from perdure.store.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def _sealed(path: str, content: bytes) -> Tensor:
    return Tensor("files", path, lambda: np.frombuffer(content, np.uint8), is_sealed=True)


def _unreadable(path: str) -> Tensor:
    def read() -> np.ndarray:
        pytest.fail(f"{path} is read")

    return Tensor("files", path, read, is_sealed=True)


def _write(store: LocalStore, tensors: list[Tensor], parent: Written | None = None) -> Written:
    entries = parent.entries if parent else ()
    return ChunkWriter(store, "job", "writer", entries).write(tensors)


def test_what_the_parent_has_is_not_read(store: LocalStore) -> None:
    first = _write(store, [_sealed("a", b"one"), _sealed("b", b"two")])
    second = _write(store, [_unreadable("b"), _sealed("c", b"three"), _unreadable("a")], first)
    assert second.sent == len(b"three")
    found = [array.tobytes() for array in read_tensors(store, "job", second.entries)]
    assert found == [b"two", b"three", b"one"]


def test_a_small_one_shares_no_chunk(store: LocalStore) -> None:
    plain = Tensor("state", "0", lambda: np.arange(3))
    written = _write(store, [_sealed("a", b"one"), plain, _sealed("b", b"two")])
    chunks = {piece.chunk for entry in written.entries for piece in entry.pieces}
    assert len(chunks) == 3


@pytest.mark.parametrize("content", [b"", bytes(20_000_000)], ids=["empty", "large"])
def test_any_size(store: LocalStore, content: bytes) -> None:
    written = _write(store, [_sealed("a", content)])
    again = _write(store, [_unreadable("a")], written)
    assert read_tensors(store, "job", again.entries)[0].tobytes() == content


def test_another_group_is_another_value(store: LocalStore) -> None:
    first = _write(store, [_sealed("a", b"one")])
    other = Tensor("state", "a", lambda: np.frombuffer(b"two", np.uint8), is_sealed=True)
    second = _write(store, [other], first)
    assert read_tensors(store, "job", second.entries)[0].tobytes() == b"two"
