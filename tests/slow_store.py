"""A store that keeps a save waiting and keeps nothing, for tests of what the save needs meanwhile."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from perdure.lineage.chunk_writer import PARALLEL

SECONDS = 0.8


class SlowStore:
    """The first writes take `SECONDS`, so that all threads and the queue are full then.

    `seen()` is called in each write.
    """

    def __init__(self, seen: Callable[[], object] = lambda: None) -> None:
        self._seen = seen
        self._count = itertools.count()

    def put(self, _key: str, _data: bytes | memoryview) -> None:
        if next(self._count) < PARALLEL:
            time.sleep(SECONDS)
        self._seen()
