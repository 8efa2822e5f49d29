"""Asking running trainers where they stand.

A trainer is the user's program: its answer is bounded in size and time, and believed only if it
speaks of the attempt that its pod was made for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp

from perdure.contract import labels
from perdure.contract.environment import DEFAULT_METRICS_PORT, Job
from perdure.contract.status import Status
from perdure_operator.cluster.objects import Object, uid_of

PER_SECOND = 20
LEAST_PERIOD_SECONDS = 5.0
_ROUND_SECONDS = 1.0
_TIMEOUT_SECONDS = 2.0
_MOST_BYTES = 64 * 1024


@dataclass
class _Trainer:
    """What is known of one running pod."""

    pod: Object
    due: float = 0.0
    status: Status | None = None
    reported_at: float = 0.0
    silent_since: float | None = None


class StatusPoller:
    """Polls those of `pods()` that run: each every five seconds, and where that would be more than
    20 requests a second in all, as often as 20 a second allow.

    `on_report(namespace, job)` is called when a trainer's status has changed, and when it begins or
    ceases to be silent. Times given out are seconds since the epoch.
    """

    def __init__(
        self,
        pods: Callable[[], Iterable[Object]],
        on_report: Callable[[str, str], None],
        *,
        port: int = DEFAULT_METRICS_PORT,
    ) -> None:
        self._pods = pods
        self._on_report = on_report
        self._port = port
        self._trainers: dict[str, _Trainer] = {}
        self._session: aiohttp.ClientSession

    def report(self, pod_uid: str) -> tuple[Status | None, float]:
        """The newest answer of a pod that runs, and when it came."""
        trainer = self._trainers.get(pod_uid)
        return (trainer.status, trainer.reported_at) if trainer else (None, 0.0)

    def silent_since(self, pod_uid: str) -> float | None:
        """Since when the pod has been asked in vain; None where it answers or was not asked yet."""
        trainer = self._trainers.get(pod_uid)
        return trainer.silent_since if trainer else None

    async def run(self) -> None:
        """Poll until cancelled."""
        async with _session() as self._session, asyncio.TaskGroup() as polls:
            while True:
                begun = time.monotonic()
                for trainer in self._due(begun):
                    polls.create_task(self._poll(trainer))
                    await asyncio.sleep(1 / PER_SECOND)
                await asyncio.sleep(max(0.0, begun + _ROUND_SECONDS - time.monotonic()))

    def _due(self, now: float) -> list[_Trainer]:
        """Who is asked in the round that begins `now`, the longest due first."""
        running = {uid_of(pod): pod for pod in self._pods() if _runs(pod)}
        self._trainers = {
            uid: self._trainers.get(uid) or _Trainer(pod) for uid, pod in running.items()
        }
        period = max(LEAST_PERIOD_SECONDS, len(running) / PER_SECOND)
        due = sorted((t for t in self._trainers.values() if t.due <= now), key=lambda t: t.due)
        for trainer in due[:PER_SECOND]:
            trainer.due = now + period
        return due[:PER_SECOND]

    async def _poll(self, trainer: _Trainer) -> None:
        status = await self._ask(trainer.pod)
        now, was_silent = time.time(), trainer.silent_since is not None
        if status is None:
            trainer.silent_since = trainer.silent_since or now
            changed = not was_silent
        else:
            changed = was_silent or status != trainer.status
            trainer.status, trainer.reported_at, trainer.silent_since = status, now, None
        if changed:
            metadata = trainer.pod["metadata"]
            self._on_report(metadata["namespace"], metadata["labels"][labels.JOB_LABEL])

    async def _ask(self, pod: Object) -> Status | None:
        """The trainer's status; None where there is no answer, or none that can be its."""
        ip = pod["status"]["podIP"]
        url = f"http://{f'[{ip}]' if ':' in ip else ip}:{self._port}/status"
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                body = await _read(response) if response.status == 200 else b""
            status = Status.from_json(body.decode())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        return status if _speaks_of(status, pod) else None


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},  # nothing small unpacks into something large
        auto_decompress=False,
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body.

    Raises:
        ValueError: it is longer than a status can be.
    """
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise ValueError(f"expected a status of at most {_MOST_BYTES} bytes")
    return body


def _runs(pod: Object) -> bool:
    status = pod.get("status", {})
    named = labels.JOB_LABEL in pod["metadata"].get("labels", {})
    return named and status.get("phase") == "Running" and bool(status.get("podIP"))


def _speaks_of(status: Status, pod: Object) -> bool:
    """Whether it is that pod's report, and not of one that had its address before or has it now."""
    metadata = pod["metadata"]
    job, run, attempt = (
        metadata["labels"].get(key)
        for key in (labels.JOB_LABEL, labels.RUN_LABEL, labels.ATTEMPT_LABEL)
    )
    lineage = str(Job(metadata["namespace"], job, run))
    return status.job == lineage and str(status.attempt) == attempt
