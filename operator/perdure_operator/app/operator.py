"""The operator: caches that follow the API, a queue of jobs to look at, workers, its own port."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from perdure.contract import labels
from perdure_operator.app.instruments import Instruments, JobsCollector
from perdure_operator.app.queue import Queue
from perdure_operator.app.training_jobs import TrainingJobs
from perdure_operator.app.web import serve
from perdure_operator.app.work import Reconciler, work
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.connection import connect
from perdure_operator.cluster.gather import Caches, Key, key_of
from perdure_operator.cluster.informer import Informer
from perdure_operator.cluster.objects import Object, name_of
from perdure_operator.cluster.pods import OVER
from perdure_operator.cluster.recorder import Recorder
from perdure_operator.cluster.resources import JOBS, PODS, Resource
from perdure_operator.cluster.status_poll import StatusPoller
from perdure_operator.cluster.store import Change

log = logging.getLogger(__name__)

_WORKERS = 16
_SILENT_SECONDS = 400.0
"""Longer than any watch lasts: who has heard nothing for so long hears nothing any more."""
_STUCK_SECONDS = 600.0


@dataclass(frozen=True)
class Options:
    """What the installation decides. No namespaces are all of them; port 0 is any free one."""

    namespaces: tuple[str, ...] = ()
    default_store: str | None = None
    port: int = 8081


class Operator:
    """All parts of the operator and their tasks. To be used on one running event loop."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = AsyncExitStack()
        self._api = Api(connect())
        self._queue: Queue[Key] = Queue()
        self._registry = CollectorRegistry()
        self._instruments = Instruments(self._registry)
        self.training_jobs = TrainingJobs(self._api, options.namespaces, self._on_training_job)
        self._jobs = self._informer(JOBS, self._on_child)
        self._pods = self._informer(PODS, self._on_pod)
        self._poller = StatusPoller(self._pods.objects, self._on_report)
        self._recorder = Recorder(self._api)
        self._registry.register(
            JobsCollector(self.training_jobs.objects, self._queue.__len__, self._api.requests)
        )

    def _informer(self, resource: Resource, on_change: Change) -> Informer:
        return Informer(
            self._api,
            resource,
            namespaces=self._options.namespaces,
            label_selector=labels.JOB_LABEL,
            index=key_of,
            on_change=on_change,
        )

    async def start(self) -> None:
        """Start everything: the port first, so that a probe can see how far it is.

        Raises:
            OSError: the port is taken.
        """
        await self._stack.enter_async_context(self._api)
        options = self._options
        runner = await serve(options.port, self._registry, alive=self._alive, ready=self._ready)
        self._stack.push_async_callback(runner.cleanup)
        for endless in (
            self.training_jobs.relist(),
            self._jobs.run(),
            self._pods.run(),
            self._poller.run(),
            self._recorder.run(),
            self._work(),
        ):
            self._spawn(endless)

    def _spawn(self, endless: Coroutine[None, None, None]) -> None:
        """Run it until the operator stops. One that ends by an error ends the process: a new one
        starts from the API and is whole, where this one would go on with a part missing.
        """
        task = asyncio.create_task(endless)
        task.add_done_callback(_end_process)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)

    async def stop(self) -> None:
        """Stop everything, in reverse order."""
        await self._stack.aclose()

    async def _work(self) -> None:
        """Nothing is decided before everything was seen once."""
        await asyncio.gather(
            self.training_jobs.listed.wait(), self._jobs.synced(), self._pods.synced()
        )
        caches = Caches(self.training_jobs, self._jobs, self._pods, self._poller)
        reconciler = Reconciler(
            self._api, caches, self._recorder, self._instruments, self._options.default_store
        )
        log.info("the operator works: %d TrainingJobs", len(self.training_jobs))
        async with asyncio.TaskGroup() as workers:
            for _ in range(_WORKERS):
                workers.create_task(work(self._queue, reconciler))

    def _on_training_job(self, old: Object | None, new: Object | None) -> None:
        key = name_of(new or old or {})
        if new is None:
            self._instruments.forget(key)
        self._queue.add(key)

    def _on_child(self, old: Object | None, new: Object | None) -> None:
        key = key_of(new or old or {})
        if key is not None:
            self._queue.add(key)

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        key = key_of(new or old or {})
        if key is None:
            return
        if _is_over(new) and not _is_over(old):  # once: a pod that has ended is deleted later
            self._instruments.pod_gone(key)
        self._queue.add(key)

    def _on_report(self, namespace: str, name: str) -> None:
        self._queue.add((namespace, name))

    def _ready(self) -> str | None:
        listed = self.training_jobs.listed.is_set()
        return None if listed else "the TrainingJobs were not listed yet"

    def _alive(self) -> str | None:
        """Alive is who hears of the world and gets work done; a port that answers says neither."""
        now = time.monotonic()
        for what, heard in (
            ("TrainingJobs", self.training_jobs.last_heard),
            ("Jobs", self._jobs.last_heard),
            ("Pods", self._pods.last_heard),
        ):
            if self._ready() is None and now - heard > _SILENT_SECONDS:
                return f"nothing was heard of {what} for {now - heard:.0f} s"
        stuck = self._queue.longest_work()
        return f"a reconcile has not ended for {stuck:.0f} s" if stuck > _STUCK_SECONDS else None


def _is_over(pod: Object | None) -> bool:
    """Whether nothing of the pod runs any more, or yet."""
    return pod is None or pod.get("status", {}).get("phase") in OVER


def _end_process(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    log.critical("a part of the operator has ended, so it ends", exc_info=task.exception())
    raise SystemExit(1)
