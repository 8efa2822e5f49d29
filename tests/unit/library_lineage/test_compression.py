"""Compression is for slow links: only what requests take says whether a link is slow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lineage_process import Process
from turns import Inline, Memory

from perdure.contract.environment import Keep
from perdure.lineage import chunk_writer
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import Snapshot

VALUES = np.random.default_rng(1).standard_normal((4, 1024, 1024), np.float32)  # 4 x 4 MB
SLOW, FAST = 10e6, 20e6


class Link(Memory):
    """A store behind a link; time passes only where a test says so."""

    def __init__(self, bytes_per_second: float) -> None:
        super().__init__()
        self.bytes_per_second = bytes_per_second
        self.now = 0.0

    def put(self, key: str, data: Any) -> None:
        self.now += len(data) / self.bytes_per_second
        super().put(key, data)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Link]:
    """A link of so many bytes per second; compressing a chunk takes 100 seconds."""

    def make(bytes_per_second: float) -> Link:
        link = Link(bytes_per_second)
        compress = chunk_writer.compress

        def compressed(*arguments: Any) -> Any:
            link.now += 100
            return compress(*arguments)

        monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", Inline)
        monkeypatch.setattr(chunk_writer, "monotonic", lambda: link.now)
        monkeypatch.setattr(chunk_writer, "compress", compressed)
        return link

    return make


def save(process: Process, link: Link, step: int, *, changing: int) -> bool:
    """Save all four tensors, of which `changing` are new; whether what was sent was compressed.

    Reading each takes 100 seconds.
    """

    def read(place: int) -> Any:
        link.now += 100
        return VALUES[place] + np.float32(step) if place < changing else VALUES[place]

    tensors = deque(Tensor("model", str(n), lambda n=n: read(n)) for n in range(4))
    before = {*link.list("")}
    process.writer.write(Snapshot(RecordKind.CHECKPOINT, Cursor(0, 0, step), step, tensors, {}))
    sent = [key for key in link.list("") if key not in before and "/chunks/" in key]
    assert len(sent) >= changing
    return all(key.endswith(".zstd4") for key in sent)


def test_a_frozen_backbone_does_not_make_a_link_slow(link):
    """Most of what is read and hashed is not sent."""
    store = link(FAST)
    process = Process(store, Keep(3)).begin()
    is_compressed = [save(process, store, step, changing=1) for step in range(1, 4)]
    assert is_compressed == [False] * 3
    assert process.writer.bytes_per_second == pytest.approx(FAST)


def test_a_slow_link_is_compressed_for_as_long_as_it_is_slow(link):
    """The time that compressing takes says nothing of the link."""
    store = link(SLOW)
    process = Process(store, Keep(3)).begin()
    assert [save(process, store, step, changing=2) for step in range(1, 4)] == [False, True, True]
    assert process.writer.bytes_per_second == pytest.approx(SLOW)
    store.bytes_per_second = FAST
    assert [save(process, store, step, changing=2) for step in range(4, 7)] == [True, False, False]


def test_requests_at_once_are_measured_together(monkeypatch):
    """Two overlap within the first 5 seconds, and nothing is sent from 5 to 7."""
    times = iter([0.0, 5.0, 7.0, 8.0])
    monkeypatch.setattr(chunk_writer, "monotonic", lambda: next(times))
    traffic = chunk_writer._Traffic()
    first, second = traffic.sending(100), traffic.sending(200)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    with traffic.sending(50):
        pass
    assert (traffic.sent, traffic.seconds) == (350, 6.0)
