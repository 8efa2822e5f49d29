"""A cache of one kind of objects that follows the API server: list, watch, and list again.

A watch may lose events, and so may what is behind it: every list is compared with the cache, so that
whatever was missed (deletions too) is heard of at the next one, after ten minutes at the latest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence

from perdure_operator.cluster.api import Api
from perdure_operator.cluster.follow import RELIST_SECONDS, Follower
from perdure_operator.cluster.objects import Object, drop_managed_fields
from perdure_operator.cluster.resources import Resource
from perdure_operator.cluster.store import Change, Store


class Informer:
    """All objects of `resource`, or those in `namespaces` that `label_selector` selects.

    `on_change(old, new)` is called for each change: added (None, new), changed (old, new), deleted
    (old, None); another object under a known name is a deletion and an addition. `index` gives the
    key under which `indexed` finds an object. The objects are shared: nobody changes them.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        *,
        namespaces: Sequence[str] = (),
        label_selector: str = "",
        index: Callable[[Object], Hashable | None] | None = None,
        strip: Callable[[Object], Object] = drop_managed_fields,
        on_change: Change,
        relist_seconds: float = RELIST_SECONDS,
    ) -> None:
        self._strip = strip
        self._store = Store(index, on_change)
        self._followers = [
            Follower(
                api,
                resource,
                self._store,
                namespace=namespace,
                label_selector=label_selector,
                strip=strip,
                relist_seconds=relist_seconds,
            )
            for namespace in (namespaces or (None,))
        ]

    async def run(self) -> None:
        """Follow the API server, whatever it does, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for follower in self._followers:
                group.create_task(follower.run())

    async def synced(self) -> None:
        """Wait until everything was listed once."""
        for follower in self._followers:
            await follower.listed.wait()

    @property
    def last_heard(self) -> float:
        """When the API server was heard of last (list, event, bookmark), on the monotonic clock."""
        return min(follower.last_heard for follower in self._followers)

    def __len__(self) -> int:
        return len(self._store)

    def get(self, namespace: str, name: str) -> Object | None:
        """The object of that name."""
        return self._store.get((namespace, name))

    def objects(self) -> list[Object]:
        """All objects."""
        return self._store.objects()

    def indexed(self, key: Hashable) -> list[Object]:
        """The objects for which `index` gives `key`."""
        return self._store.indexed(key)

    def observe(self, obj: Object) -> None:
        """Take in the answer to a write, so that the next look sees at least that."""
        self._store.put(self._strip(obj))
