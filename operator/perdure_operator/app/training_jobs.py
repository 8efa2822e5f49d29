"""The TrainingJobs that the operator knows: kopf's event stream, and a list now and then, because
that stream says nothing of what was deleted while it was not connected.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from perdure_operator.cluster.api import Api
from perdure_operator.cluster.errors import ApiError
from perdure_operator.cluster.objects import Object, drop_managed_fields
from perdure_operator.cluster.resources import TRAINING_JOBS
from perdure_operator.cluster.store import Change, Store

log = logging.getLogger(__name__)

RELIST_SECONDS = 120.0
_RETRY_SECONDS = 5.0


class TrainingJobs:
    """The newest version of each TrainingJob. The objects are shared: nobody changes them."""

    def __init__(self, api: Api, namespaces: Sequence[str], on_change: Change) -> None:
        self._api = api
        self._namespaces = namespaces or (None,)
        self._store = Store(None, on_change)
        self.listed = asyncio.Event()
        self.last_heard = time.monotonic()

    def __len__(self) -> int:
        return len(self._store)

    def get(self, namespace: str, name: str) -> Object | None:
        """The TrainingJob of that name."""
        return self._store.get((namespace, name))

    def objects(self) -> list[Object]:
        """All TrainingJobs."""
        return self._store.objects()

    def observe(self, obj: Object) -> None:
        """Take in the answer to a write."""
        self._store.put(drop_managed_fields(obj))

    def take_in(self, kind: str | None, obj: Object) -> None:
        """Take in an event of the stream; its kind is None for what was listed."""
        self.last_heard = time.monotonic()
        if kind == "DELETED":
            self._store.remove(drop_managed_fields(obj))
        else:
            self._store.put(drop_managed_fields(obj))

    async def relist(self) -> None:
        """List again and again, and take in what the stream has missed, until cancelled."""
        while True:
            try:
                for namespace in self._namespaces:
                    await self._list(namespace)
            except ApiError as error:
                log.warning("the TrainingJobs cannot be listed: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self.listed.set()
            await asyncio.sleep(RELIST_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311 - jitter

    async def _list(self, namespace: str | None) -> None:
        objects, version = await self._api.list(TRAINING_JOBS, namespace)
        self._store.replace(map(drop_managed_fields, objects), int(version), namespace)
        self.last_heard = time.monotonic()
