"""A plan carried out: children first, then the status if it differs. Each write names what it rests
on, so that one that comes too late fails and nothing is done twice.
"""

from __future__ import annotations

from typing import Any

from perdure.contract import requests
from perdure_operator.build.job import attempt_job
from perdure_operator.build.names import job_name
from perdure_operator.build.pod import Surroundings
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.errors import AlreadyExists, Conflict, NotFound
from perdure_operator.cluster.gather import Caches, Raw, owner_uids
from perdure_operator.cluster.resources import JOBS, PODS, TRAINING_JOBS
from perdure_operator.decide.happenings import Happening, happenings
from perdure_operator.decide.plan import (
    Action,
    ConfirmGone,
    DeleteJob,
    DeleteTrainingJob,
    PassRequest,
    Start,
    Suspend,
)
from perdure_operator.model import TrainingJob
from perdure_operator.model.status import JobStatus


class Apply:
    """Carries out what was decided about one TrainingJob, `raw` as the API has it."""

    def __init__(self, api: Api, caches: Caches, raw: Raw) -> None:
        self._api = api
        self._caches = caches
        self._raw = raw
        self._namespace: str = raw["metadata"]["namespace"]
        self._name: str = raw["metadata"]["name"]

    async def action(self, action: Action, job: TrainingJob) -> None:
        """Carry out one action.

        Raises:
            ApiError: it was not done, or may not have been.
        """
        match action:
            case Start():
                await self._start(action, job)
            case Suspend():
                await self._suspend(action)
            case ConfirmGone():
                await self._confirm_gone(action)
            case PassRequest():
                await self._pass_request(action)
            case DeleteJob():
                await self._delete_job(action)
            case DeleteTrainingJob():
                await self._delete_training_job()

    async def _start(self, start: Start, job: TrainingJob) -> None:
        around = Surroundings(
            start.attempt, start.image, start.store, start.grace_seconds, start.request
        )
        body = attempt_job(job, around)
        try:
            created = await self._api.create(JOBS, self._namespace, body)
        except AlreadyExists:
            created = await self._adopted(body["metadata"]["name"])
        self._caches.jobs.observe(created)

    async def _adopted(self, name: str) -> Raw:
        """The Job that is there already: ours from a try whose answer was lost, or a stranger's."""
        found = await self._api.get(JOBS, self._namespace, name)
        if self._raw["metadata"]["uid"] in owner_uids(found):
            return found
        raise AlreadyExists(
            409,
            "NameTaken",
            f"Job {name} is there and belongs to something else. Delete or rename it",
        )

    async def _suspend(self, suspend: Suspend) -> None:
        metadata = {"uid": suspend.job.uid, "resourceVersion": suspend.job.resource_version}
        patch = {"metadata": metadata, "spec": {"suspend": True}}
        try:
            patched = await self._api.merge_patch(JOBS, self._namespace, suspend.job.name, patch)
        except NotFound:
            return
        self._caches.jobs.observe(patched)

    async def _confirm_gone(self, confirm: ConfirmGone) -> None:
        name = job_name(self._name, confirm.attempt)
        try:
            found = await self._api.get(JOBS, self._namespace, name)
        except NotFound:
            return
        if self._raw["metadata"]["uid"] in owner_uids(found):
            self._caches.jobs.observe(found)
            raise Conflict(409, "JobFound", f"Job {name} is there and was not heard of yet")

    async def _pass_request(self, action: PassRequest) -> None:
        annotations = {requests.ANNOTATION: action.request}
        patch = {"metadata": {"uid": action.pod.uid, "annotations": annotations}}
        try:
            patched = await self._api.merge_patch(PODS, self._namespace, action.pod.name, patch)
        except NotFound:
            return
        self._caches.pods.observe(patched)

    async def _delete_job(self, action: DeleteJob) -> None:
        try:
            await self._api.delete(JOBS, self._namespace, action.job.name, uid=action.job.uid)
        except NotFound:
            return

    async def _delete_training_job(self) -> None:
        """Only as it was seen: a new run may have been asked for meanwhile."""
        metadata = self._raw["metadata"]
        uid, version = metadata["uid"], metadata["resourceVersion"]
        try:
            await self._api.delete(
                TRAINING_JOBS, self._namespace, self._name, uid=uid, resource_version=version
            )
        except NotFound:
            return

    async def status(self, before: JobStatus, after: JobStatus) -> list[Happening]:
        """Write `after` where it differs from what the API has; returns what happened by that.

        Raises:
            Conflict: somebody has changed the TrainingJob meanwhile; look again.
            ApiError: it was not written, or may not have been.
        """
        stored = before.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)
        patch = difference(stored, after.document())
        if not patch:
            return []
        version = self._raw["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "status": patch}
        try:
            patched = await self._api.merge_patch(
                TRAINING_JOBS, self._namespace, self._name, body, subresource="status"
            )
        except NotFound:
            return []
        self._caches.training_jobs.observe(patched)
        return happenings(before, after)


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) that makes `before` into `after`."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before or before[key] != value:
            old = before.get(key)
            both = isinstance(value, dict) and isinstance(old, dict)
            patch[key] = difference(old, value) if both else value  # type: ignore[arg-type]
    return patch
