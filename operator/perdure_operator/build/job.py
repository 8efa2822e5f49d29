"""The batch/v1 Job of an attempt.

With an operator the Job never starts a second pod: the operator suspends it when its pod leaves and
creates the next attempt at once. Without one the Job controller itself replaces a pod that was
disrupted or asked to be started again (75), after its back-off; any other failure ends the Job.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from perdure.contract import labels
from perdure.contract.exits import ExitCode
from perdure_operator.build.names import child_labels, job_name
from perdure_operator.build.pod import Surroundings, pod_template
from perdure_operator.model.job import Spec, TrainingJob

_FAILURE_POLICY = {
    "rules": [
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
        {
            "action": "Ignore",
            "onExitCodes": {
                "containerName": labels.CONTAINER,
                "operator": "In",
                "values": [int(ExitCode.RESUME)],
            },
        },
    ]
}


def attempt_job(job: TrainingJob, around: Surroundings) -> dict[str, Any]:
    """The Job of `around.attempt`, owned by `job`."""
    name, run = job.metadata.name, job.spec.run
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(name, around.attempt),
            "namespace": job.metadata.namespace,
            "labels": child_labels(name, run, around.attempt),
            "annotations": {labels.SPEC_ANNOTATION: pod_spec(job.spec)},
            "ownerReferences": [owner(job)],
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": job.spec.workers,
            "parallelism": job.spec.workers,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _FAILURE_POLICY,
            "template": pod_template(job, around),
        },
    }


def pod_spec(spec: Spec) -> str:
    """A digest of what `spec` says of the pod, by which a Job is known to be made from another spec.

    What is left at its default has no part in it: a newer operator may know more fields.
    """
    said = spec.model_dump(mode="json", exclude=_NOT_OF_THE_POD, exclude_defaults=True)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


_NOT_OF_THE_POD = {
    "run",
    "retries",
    "suspend",
    "active_deadline_seconds",
    "ttl_seconds_after_finished",
}


def owner(job: TrainingJob) -> dict[str, Any]:
    """The reference by which Kubernetes deletes the children of a deleted TrainingJob."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "name": job.metadata.name,
        "uid": job.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
