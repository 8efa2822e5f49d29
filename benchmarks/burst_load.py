"""A burst of jobs and what is seen of it on watches."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from burst_contenders import Contender, Object
from cluster.access import Access
from cluster.processes import Process

from perdure_operator.cluster.api import Api
from perdure_operator.cluster.connection import from_kubeconfig
from perdure_operator.cluster.errors import NotFound
from perdure_operator.cluster.resources import Resource

CREATORS = 16
LONGEST_SECONDS = 900
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Seen:
    """When each job was first seen with what was waited for, on `time.perf_counter`."""

    wanted: int
    at: dict[str, float] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, name: str | None) -> None:
        """This job was seen now."""
        if name is not None:
            self.at.setdefault(name, time.perf_counter())
        if len(self.at) == self.wanted:
            self.complete.set()


@dataclass(frozen=True)
class Measured:
    """One burst. `seconds`: of each job, from the start of its POST until it was done."""

    jobs: int
    per_second: float
    seconds: list[float]
    cpu_seconds: float
    peak_mb: float

    def percentile(self, percent: int) -> float:
        """The seconds within which so many percent of the jobs were done."""
        return sorted(self.seconds)[max(0, -(-len(self.seconds) * percent // 100) - 1)]


async def burst(
    admin: Access, contender: Contender, process: Process, namespace: str, jobs: int
) -> Measured:
    """Create `jobs` as fast as the API server takes them, and wait until all are seen.

    Raises:
        TimeoutError: not all were seen within 15 minutes.
    """
    child, status = Seen(jobs), Seen(jobs)
    watched = [
        (contender.child, lambda obj: child.note(_owner(obj))),
        (contender.resource, lambda obj: status.note(_with_status(obj))),
    ]
    async with Api(from_kubeconfig(str(admin.kubeconfig))) as api, asyncio.TaskGroup() as group:
        watches = [
            group.create_task(
                _watch(api, resource, namespace, take_in, await _version(api, resource))
            )
            for resource, take_in in watched
        ]
        await asyncio.sleep(0.5)  # until the watches are there
        cpu = _cpu_seconds(process)
        posted = await _create(api, contender, namespace, jobs)
        async with asyncio.timeout(LONGEST_SECONDS):
            await child.complete.wait()
            await status.complete.wait()
        for watch in watches:
            watch.cancel()
    done = {name: max(child.at[name], status.at[name]) for name in posted}
    return Measured(
        jobs,
        jobs / (max(done.values()) - min(posted.values())),
        [done[name] - posted[name] for name in posted],
        _cpu_seconds(process) - cpu,
        _peak_mb(process),
    )


async def _create(api: Api, contender: Contender, namespace: str, jobs: int) -> dict[str, float]:
    """Create the jobs; returns when the POST of each was begun."""
    posted: dict[str, float] = {}

    async def creator(names: Iterator[str]) -> None:
        for name in names:
            body = contender.manifest(name)
            posted[name] = time.perf_counter()
            await api.create(contender.resource, namespace, body)

    names = iter([f"job-{number}" for number in range(jobs)])
    await asyncio.gather(*(creator(names) for _ in range(CREATORS)))
    return posted


async def _version(api: Api, resource: Resource) -> str:
    return (await api.list(resource))[1]


async def _watch(
    api: Api, resource: Resource, namespace: str, take_in: Callable[[Object], None], version: str
) -> None:
    """Watch until cancelled; the API server ends the watch of a client that is behind."""
    while True:
        events = api.watch(resource, namespace, resource_version=version)
        async with aclosing(events):
            async for kind, obj in events:
                version = obj["metadata"]["resourceVersion"]
                if kind in {"ADDED", "MODIFIED"}:
                    take_in(obj)


def _owner(obj: Object) -> str | None:
    owners = obj["metadata"].get("ownerReferences", ())
    return next((owner["name"] for owner in owners if owner.get("controller")), None)


def _with_status(obj: Object) -> str | None:
    return str(obj["metadata"]["name"]) if obj.get("status", {}).get("conditions") else None


def _cpu_seconds(process: Process) -> float:
    """User and system time, of all threads."""
    after_name = _proc(process, "stat").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


def _peak_mb(process: Process) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", _proc(process, "status"))
    assert found is not None
    return int(found[1]) / 1024


def _proc(process: Process, file: str) -> str:
    assert process.running is not None
    return Path(f"/proc/{process.running.pid}/{file}").read_text()


async def clean(admin: Access, contender: Contender, namespace: str) -> None:
    """Delete all that a burst has left, until nothing is.

    Raises:
        TimeoutError: something was still there after 15 minutes.
    """
    resources = (contender.resource, *contender.leftovers)
    async with Api(from_kubeconfig(str(admin.kubeconfig))) as api, asyncio.timeout(LONGEST_SECONDS):
        while any([await _delete(api, resource, namespace) for resource in resources]):
            await asyncio.sleep(1)


async def _delete(api: Api, resource: Resource, namespace: str) -> int:
    """Delete the objects; returns how many there were."""
    objects, _ = await api.list(resource, namespace)
    names = iter([obj["metadata"]["name"] for obj in objects])

    async def deleter() -> None:
        for name in names:
            with contextlib.suppress(NotFound):
                await api.delete(resource, namespace, name)

    await asyncio.gather(*(deleter() for _ in range(CREATORS)))
    return len(objects)
