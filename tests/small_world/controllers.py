"""The Job controller and the garbage collector, each acting when the walk lets it."""

from __future__ import annotations

import itertools
import random

from perdure_operator.cluster.resources import JOBS, PODS, TRAINING_JOBS
from perdure_operator.model.times import epoch
from small_world.api_server import ApiServer, Raw


class JobController:
    """Keeps one pod per Job that is neither suspended nor over; it may see a Job as it was before."""

    def __init__(self, api: ApiServer, chance: random.Random) -> None:
        self._api = api
        self._chance = chance
        self._seen: dict[str, Raw] = {}
        self._names = itertools.count(1)

    def act(self, *, is_behind: bool = False) -> None:
        for job in self._api.all(JOBS):
            uid = job["metadata"]["uid"]
            if not is_behind or uid not in self._seen:
                self._seen[uid] = job
            self._sync(self._seen[uid])

    def _sync(self, job: Raw) -> None:
        pods = pods_of(self._api, job)
        alive = [pod for pod in pods if pod["status"]["phase"] in {"Pending", "Running"}]
        if job["spec"].get("suspend"):
            for pod in alive:
                self._api.delete(PODS, pod["metadata"]["name"])
        elif not alive and not job.get("status", {}).get("conditions"):
            self._end_or_replace(job, pods)

    def _end_or_replace(self, job: Raw, pods: list[Raw]) -> None:
        """Ended pods of which the first is no disruption end the Job; disruptions are replaced."""
        if any(pod["status"]["phase"] == "Succeeded" for pod in pods):
            self._finish(job, "Complete")
        elif any(not is_ignored(pod) for pod in pods):
            self._finish(job, "Failed")
        else:
            waits = max((epoch(pod["status"]["ended"]) for pod in pods), default=0)
            if self._api.now >= waits + 10 * 2 ** (len(pods) - 1) or not pods:
                self._create_pod(job)

    def _finish(self, job: Raw, kind: str) -> None:
        condition = {"type": kind, "status": "True", "message": "over"}
        self._api.patch(JOBS, job["metadata"]["name"], {"status": {"conditions": [condition]}})

    def _create_pod(self, job: Raw) -> None:
        template, metadata = job["spec"]["template"], job["metadata"]
        name = f"{metadata['name']}-0-{next(self._names)}"
        owner = {"kind": "Job", "uid": metadata["uid"], "name": metadata["name"]}
        self._api.create(
            PODS,
            {
                "metadata": {
                    **template["metadata"],
                    "name": name,
                    "ownerReferences": [{**owner, "controller": True}],
                },
                "spec": template["spec"],
                "status": {"phase": "Pending"},
            },
        )


def is_ignored(pod: Raw) -> bool:
    """Whether the podFailurePolicy of our Jobs ignores how this pod failed."""
    status = pod["status"]
    disrupted = any(c["type"] == "DisruptionTarget" for c in status.get("conditions", ()))
    return disrupted or any(
        container["state"]["terminated"]["exitCode"] == 75
        for container in status.get("containerStatuses", ())
        if "terminated" in container["state"]
    )


def pods_of(api: ApiServer, job: Raw) -> list[Raw]:
    uid = job["metadata"]["uid"]
    return [p for p in api.all(PODS) if p["metadata"]["ownerReferences"][0]["uid"] == uid]


def collect_garbage(api: ApiServer) -> None:
    """Delete what belongs to nobody any more."""
    for kind, owners in ((JOBS, TRAINING_JOBS), (PODS, JOBS)):
        uids = {obj["metadata"]["uid"] for obj in api.all(owners)}
        for obj in api.all(kind):
            if obj["metadata"]["ownerReferences"][0]["uid"] not in uids:
                api.delete(kind, obj["metadata"]["name"])
