"""One list-and-watch loop: what an informer does for each of its namespaces."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from contextlib import aclosing

from perdure_operator.cluster.api import Api
from perdure_operator.cluster.errors import ApiError, Gone, Unavailable
from perdure_operator.cluster.objects import Object
from perdure_operator.cluster.resources import Resource
from perdure_operator.cluster.store import Store

RELIST_SECONDS = 600.0
_WATCH_SECONDS = (240.0, 300.0)
_WATCH_GRACE_SECONDS = 30.0
_FIRST_BACKOFF_SECONDS = 0.2
_LONGEST_BACKOFF_SECONDS = 10.0
_FORGIVEN_SECONDS = 60.0

log = logging.getLogger(__name__)


class Follower:
    """Keeps `store` true for one namespace (None: all). `run` ends only by cancellation."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        store: Store,
        *,
        namespace: str | None,
        label_selector: str,
        strip: Callable[[Object], Object],
        relist_seconds: float,
    ) -> None:
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._label_selector = label_selector
        self._store = store
        self._strip = strip
        self._relist_seconds = relist_seconds
        self._version = "0"
        self._failures = 0
        self._failed_at = -math.inf
        self._complaint = ""
        self.listed = asyncio.Event()
        self.last_heard = -math.inf

    async def run(self) -> None:
        """List, watch until the next list is due or something fails, and again."""
        while True:
            try:
                await self._list()
                relist_after = self._relist_seconds * _between(0.9, 1.1)
                await self._watch_until(time.monotonic() + relist_after)
            except Exception as error:
                await self._back_off(error)

    async def _list(self) -> None:
        objects, version = await self._api.list(
            self._resource, self._namespace, label_selector=self._label_selector
        )
        if int(version) < int(self._version):
            log.warning("%s: the API server went back in time; all is read anew", self._subject)
            self._store.clear(self._namespace)
        self._version = version
        self._store.replace(map(self._strip, objects), int(self._version), self._namespace)
        self.last_heard = time.monotonic()
        self.listed.set()

    async def _watch_until(self, relist_at: float) -> None:
        while (left := relist_at - time.monotonic()) > 0:
            begun = time.monotonic()
            await self._watch(min(_between(*_WATCH_SECONDS), left))
            if time.monotonic() - begun < min(1.0, left):
                raise Unavailable(0, "WatchTooShort", "the API server ended a watch at once")
            self._recovered()

    async def _watch(self, seconds: float) -> None:
        stream = self._api.watch(
            self._resource,
            self._namespace,
            resource_version=self._version,
            label_selector=self._label_selector,
            timeout_seconds=math.ceil(seconds),
        )
        try:
            async with asyncio.timeout(seconds + _WATCH_GRACE_SECONDS), aclosing(stream) as events:
                async for kind, obj in events:
                    self._take_in(kind, obj)
        except TimeoutError:
            log.info("%s: the API server did not end a watch in time", self._subject)

    def _take_in(self, kind: str, obj: Object) -> None:
        self.last_heard = time.monotonic()
        self._version = obj["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self._store.remove(obj)
        elif kind != "BOOKMARK":
            self._store.put(self._strip(obj))
        self._recovered()

    async def _back_off(self, error: Exception) -> None:
        if time.monotonic() - self._failed_at > _FORGIVEN_SECONDS:
            self._failures = 0
        self._failed_at = time.monotonic()
        self._failures += 1
        self._complain(error)
        longest = min(_FIRST_BACKOFF_SECONDS * 2**self._failures, _LONGEST_BACKOFF_SECONDS)
        asked = error.retry_after if isinstance(error, Unavailable) else None
        await asyncio.sleep(max(_between(longest / 2, longest), asked or 0.0))

    def _complain(self, error: Exception) -> None:
        """Once for each new reason, so that an hour without rights is one line and not thousands."""
        if not isinstance(error, ApiError):
            log.error("%s: following failed", self._subject, exc_info=error)
        elif not isinstance(error, Gone) and str(error) != self._complaint:
            self._complaint = str(error)
            log.warning("%s: cannot be followed, trying again: %s", self._subject, error)

    def _recovered(self) -> None:
        if self._complaint:
            self._complaint = ""
            log.warning("%s: followed again", self._subject)

    @property
    def _subject(self) -> str:
        where = f"namespace {self._namespace}" if self._namespace else "all namespaces"
        return f"{self._resource.plural} of {where}"


def _between(least: float, most: float) -> float:
    """Somewhere between, so that what happens again and again never happens all at once."""
    return random.uniform(least, most)  # noqa: S311
