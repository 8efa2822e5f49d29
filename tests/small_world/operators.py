"""Operators made of the real reconcile, stopped before and after each of their requests."""

from __future__ import annotations

import random
import types
from collections.abc import Coroutine, Generator
from typing import Any

from prometheus_client import CollectorRegistry

from perdure.contract.status import Status
from perdure_operator.app.instruments import Instruments
from perdure_operator.app.work import Reconciler
from perdure_operator.cluster.errors import ApiError, Unavailable
from perdure_operator.cluster.gather import Caches, key_of
from perdure_operator.cluster.resources import JOBS, TRAINING_JOBS, Resource
from perdure_operator.cluster.store import Store
from perdure_operator.decide.happenings import Happening
from small_world.api_server import KINDS, NAMESPACE, ApiServer, Raw
from small_world.kubelet import Kubelet

NAME = "digits"
LOST_ANSWERS = 0.05


@types.coroutine
def _stop_here() -> Generator[None, None, None]:
    yield


class Client:
    """The API as one operator reaches it: every request is two places where time may pass."""

    def __init__(self, api: ApiServer, chance: random.Random) -> None:
        self._api = api
        self._chance = chance
        self.writes: list[tuple[str, Resource, Raw]] = []
        self.is_lossy = True
        self.looks_at = ""

    async def get(self, kind: Resource, namespace: str, name: str) -> Raw:
        await _stop_here()
        return self._api.get(kind, name)

    async def create(self, kind: Resource, namespace: str, body: Raw) -> Raw:
        return await self._write("create", kind, body, lambda: self._start(body))

    def _start(self, body: Raw) -> Raw:
        """Only who is slow starts what is out of date by then; nobody can keep it from that."""
        current = self._api.get(TRAINING_JOBS, NAME)
        if current["metadata"]["resourceVersion"] == self.looks_at:
            attempt = int(body["metadata"]["labels"]["perdure.dev/attempt"])
            assert not current["spec"].get("suspend"), "nothing is started while suspended"
            assert attempt > current.get("status", {}).get("attempt", 0), "a number has one Job"
        return self._api.create(JOBS, body)

    async def merge_patch(
        self, kind: Resource, namespace: str, name: str, body: Raw, subresource: str = ""
    ) -> Raw:
        assert kind is not TRAINING_JOBS or subresource == "status", "a spec is never written"
        assert kind is not TRAINING_JOBS or set(body) <= {"metadata", "status"}
        return await self._write("patch", kind, body, lambda: self._api.patch(kind, name, body))

    async def delete(
        self,
        kind: Resource,
        namespace: str,
        name: str,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        expected = {"uid": uid, "resourceVersion": resource_version}
        await self._write("delete", kind, expected, lambda: self._api.delete(kind, name, expected))

    async def _write(self, verb: str, kind: Resource, body: Raw, write: Any) -> Any:
        await _stop_here()
        answer = write()
        self.writes.append((verb, kind, body))
        await _stop_here()
        if self.is_lossy and self._chance.random() < LOST_ANSWERS:
            raise Unavailable(0, "Timeout", "no answer")
        return answer


class Cache:
    """One kind's objects, as far as the watch has come."""

    def __init__(self, api: ApiServer, kind: Resource) -> None:
        self._history = api.history[kind]
        self._store = Store(None if kind is TRAINING_JOBS else key_of, lambda old, new: None)
        self._read = 0
        self.hear(len(self._history))

    def hear(self, events: int) -> None:
        for kind, obj in self._history[self._read : self._read + events]:
            self._store.remove(obj) if kind == "DELETED" else self._store.put(obj)
        self._read = min(len(self._history), self._read + events)

    def get(self, namespace: str, name: str) -> Raw | None:
        return self._store.get((namespace, name))

    def indexed(self, key: tuple[str, str]) -> list[Raw]:
        return self._store.indexed(key)

    def observe(self, obj: Raw) -> None:
        self._store.put(obj)


class Reports:
    """What running trainers answered at the last poll."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet
        self._reports: dict[str, tuple[Status | None, float]] = {}
        self._silent: dict[str, float] = {}

    def poll(self) -> None:
        kubelet, now = self._kubelet, self._kubelet.api.now
        for process in kubelet.processes.values():
            if process.uid in kubelet.unreachable:
                self._silent.setdefault(process.uid, now)
            else:
                self._silent.pop(process.uid, None)
                self._reports[process.uid] = (kubelet.report(process), now)

    def report(self, pod_uid: str) -> tuple[Status | None, float]:
        return self._reports.get(pod_uid, (None, 0.0))

    def silent_since(self, pod_uid: str) -> float | None:
        return self._silent.get(pod_uid)


class Operator:
    """One process of the operator. It begins with all that the API has."""

    def __init__(self, api: ApiServer, kubelet: Kubelet, chance: random.Random) -> None:
        self.client = Client(api, chance)
        self.happened: list[Happening] = []
        self.caches = {kind: Cache(api, kind) for kind in KINDS}
        self.reports = Reports(kubelet)
        self._work: Coroutine[Any, Any, float | None] | None = None
        self._reconciler = Reconciler(
            self.client,  # type: ignore[arg-type]
            Caches(*(self.caches[kind] for kind in KINDS), self.reports),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            Instruments(CollectorRegistry()),
        )

    def record(self, regarding: Raw, happenings: list[Happening]) -> None:
        self.happened += happenings

    @property
    def is_working(self) -> bool:
        return self._work is not None

    def go_on(self) -> float | None:
        """Up to the next request, its answer or the end of the look; returns when to look again."""
        if self._work is None:
            seen = self.caches[TRAINING_JOBS].get(NAMESPACE, NAME)
            assert seen is not None
            self.client.looks_at = seen["metadata"]["resourceVersion"]
            self._work = self._reconciler.reconcile((NAMESPACE, NAME))
        try:
            self._work.send(None)
        except StopIteration as end:
            self._work = None
            return end.value  # type: ignore[no-any-return]
        except ApiError:
            self._work = None
            return 0.0
        return 0.0

    def look(self) -> float | None:
        """A whole look; returns after how many seconds to look again."""
        after = self.go_on()
        while self.is_working:
            after = self.go_on()
        return after

    def kill(self) -> None:
        if self._work is not None:
            self._work.close()

    def hear_all(self) -> None:
        for cache in self.caches.values():
            cache.hear(10**9)
        self.reports.poll()
