"""Everything that is known of a TrainingJob, read once from the caches: what a reconcile looks at."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import ValidationError

from perdure.contract import labels, requests
from perdure.contract.status import Status
from perdure_operator.build.environment import program
from perdure_operator.build.job import pod_spec
from perdure_operator.cluster.pods import attempt_of, read_pod
from perdure_operator.decide.observed import AttemptJob, Pod, Problem, Seen
from perdure_operator.model import TrainingJob, from_api, ignored_fields
from perdure_operator.model.sentences import sentences
from perdure_operator.model.status import JobStatus
from perdure_operator.model.times import epoch

Raw = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name of a TrainingJob."""


class Cache(Protocol):
    """What is known of the objects of one kind."""

    def get(self, namespace: str, name: str) -> Raw | None:
        """The object, if there is one."""

    def observe(self, obj: Raw) -> None:
        """Take over a write's answer, which may be newer than what the watch has brought."""


class Children(Cache, Protocol):
    """What is known of the children of TrainingJobs."""

    def indexed(self, key: Key) -> list[Raw]:
        """The children of a TrainingJob."""


class Reports(Protocol):
    """What trainers have answered."""

    def report(self, pod_uid: str) -> tuple[Status | None, float]:
        """The newest answer and when it came, in seconds since the epoch."""

    def silent_since(self, pod_uid: str) -> float | None:
        """Since when the pod has not answered, though it was asked."""


@dataclass(frozen=True)
class Caches:
    """Everything that the operator keeps in memory: it can be made anew from the API at any time."""

    training_jobs: Cache
    jobs: Children
    pods: Children
    reports: Reports


@dataclass(frozen=True)
class Unreadable:
    """A TrainingJob that is none: one of an older schema, or stored while there was none."""

    status: JobStatus
    generation: int | None
    problem: Problem


def gather(caches: Caches, key: Key, now: float | None = None) -> Seen | Unreadable | None:
    """What is seen of the TrainingJob; None where it is gone or going."""
    raw = caches.training_jobs.get(*key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    status = JobStatus.model_validate(raw.get("status", {}))
    try:
        job = from_api(raw)
    except ValidationError as error:
        problem = Problem("Invalid", " ".join(sentences(error, TrainingJob)))
        return Unreadable(status, raw["metadata"].get("generation"), problem)
    annotations = raw["metadata"].get("annotations", {})
    jobs = tuple(read_job(j, raw["metadata"]["uid"]) for j in caches.jobs.indexed(key))
    return Seen(
        job=job,
        program=program(job.spec),
        pod_spec=pod_spec(job.spec),
        status=status,
        jobs=jobs,
        pods=tuple(_pods(caches, key, jobs, time.time() if now is None else now)),
        ignored_fields=tuple(ignored_fields(annotations)),
        request=annotations.get(requests.ANNOTATION),
    )


def read_job(raw: Raw, owner_uid: str) -> AttemptJob:
    """The view of a raw Job."""
    metadata = raw["metadata"]
    return AttemptJob(
        name=metadata["name"],
        uid=metadata["uid"],
        attempt=attempt_of(raw),
        run=metadata.get("labels", {}).get(labels.RUN_LABEL, ""),
        created=epoch(metadata["creationTimestamp"]),
        resource_version=metadata["resourceVersion"],
        ours=owner_uid in owner_uids(raw),
        suspended=raw["spec"].get("suspend", False),
        deleting="deletionTimestamp" in metadata,
        pod_spec=metadata.get("annotations", {}).get(labels.SPEC_ANNOTATION),
        finished=_finished(raw.get("status", {}).get("conditions", ())),
    )


def owner_uids(raw: Raw) -> set[str]:
    """The uids of the objects that control this one."""
    owners = raw["metadata"].get("ownerReferences", ())
    return {owner["uid"] for owner in owners if owner.get("controller")}


def _finished(conditions: Iterable[Raw]) -> Problem | None:
    for condition in conditions:
        if condition["type"] in {"Complete", "Failed"} and condition["status"] == "True":
            return Problem(condition["type"], condition.get("message", ""))
    return None


def _pods(caches: Caches, key: Key, jobs: Iterable[AttemptJob], now: float) -> Iterable[Pod]:
    """The pods with our label that a Job controls: nobody else's pod is taken for a trainer's."""
    ours = {job.uid for job in jobs if job.ours}
    for raw in caches.pods.indexed(key):
        if not any(owner["kind"] == "Job" for owner in raw["metadata"].get("ownerReferences", ())):
            continue
        pod = read_pod(raw, ours=bool(owner_uids(raw) & ours), now=now)
        report, at = caches.reports.report(pod.uid)
        silent = caches.reports.silent_since(pod.uid)
        yield replace(pod, report=report, reported_at=at, silent_since=silent)


def key_of(raw: Raw) -> Key | None:
    """The TrainingJob that a child belongs to by its label."""
    metadata = raw["metadata"]
    name = metadata.get("labels", {}).get(labels.JOB_LABEL)
    return (metadata["namespace"], name) if name else None
