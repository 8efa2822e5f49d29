"""Which jobs to look at: the semantics of client-go's workqueue, on an asyncio loop.

A key that is added while it waits is there once; a key that is added while a worker has it comes
again when that worker is done. So one key is never with two workers, and no event is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

BASE_SECONDS = 0.005
MOST_SECONDS = 1000.0
_MOST_DOUBLINGS = 18  # beyond it every delay is MOST_SECONDS

Key = TypeVar("Key", bound=Hashable)


class Queue(Generic[Key]):
    """Keys to work on. Only for use on one running event loop. `adds` and `retries` count."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._dirty: dict[Key, float] = {}
        self._processing: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self.adds = 0
        self.retries = 0

    def __len__(self) -> int:
        """How many keys wait for a worker."""
        return self._ready.qsize()

    def add(self, key: Key) -> None:
        """Have `key` worked on as soon as a worker is free and no other one has it."""
        if key in self._dirty:
            return
        self.adds += 1
        self._dirty[key] = self._loop.time()
        if key not in self._processing:
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Add `key` in `seconds`, or earlier where an earlier time was asked for already."""
        if seconds <= 0:
            self.add(key)
            return
        when = self._loop.time() + seconds
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= when:
                return
            pending.cancel()
        self._timers[key] = self._loop.call_at(when, self._fire, key)

    def add_rate_limited(self, key: Key) -> None:
        """Add `key` after a delay that doubles with each call until `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.retries += 1
        self.add_after(key, min(BASE_SECONDS * 2 ** min(failures, _MOST_DOUBLINGS), MOST_SECONDS))

    def forget(self, key: Key) -> None:
        """The work on `key` went well: its next delay is the shortest again."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Wait for a key. The caller must call `done` when it has worked on it, however it went."""
        key = await self._ready.get()
        del self._dirty[key]
        self._processing[key] = self._loop.time()
        return key

    def done(self, key: Key) -> None:
        """The work on `key` has ended; where it was added meanwhile it is handed out again."""
        del self._processing[key]
        if key in self._dirty:
            self._ready.put_nowait(key)

    def longest_wait(self) -> float:
        """For how many seconds the longest waiting key has been due."""
        return self._age(self._dirty)

    def longest_work(self) -> float:
        """For how many seconds the slowest worker has had its key."""
        return self._age(self._processing)

    def _age(self, since: dict[Key, float]) -> float:
        now = self._loop.time()
        return now - min(since.values(), default=now)

    def _fire(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)
