"""The pod of a trainer: what the user gave, typed, inside the restricted Pod Security level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perdure.contract import environment as names
from perdure.contract import labels, requests
from perdure_operator.build.environment import Attempt, defaults, trainer_environment
from perdure_operator.build.names import child_labels
from perdure_operator.model.job import TrainingJob

HOME = "/home/trainer"
CONTROL = "/etc/perdure"
_SCRATCH = {"perdure-home": HOME, "perdure-tmp": "/tmp"}  # noqa: S108 - a volume of the pod's own
_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True)
class Surroundings:
    """What an attempt is given besides its spec: image and store as resolved, the newest request."""

    attempt: int
    image: str
    store: str
    grace_seconds: int
    request: str | None = None


def pod_template(job: TrainingJob, around: Surroundings) -> dict[str, Any]:
    """The template of the pods of an attempt."""
    spec = job.spec
    annotations = dict(spec.annotations)
    if around.request is not None:
        annotations[requests.ANNOTATION] = around.request
    own = child_labels(job.metadata.name, spec.run, around.attempt)
    return {
        "metadata": {"labels": spec.labels | own, "annotations": annotations},
        "spec": _pod_spec(job, around),
    }


def _pod_spec(job: TrainingJob, around: Surroundings) -> dict[str, Any]:
    given = job.spec.model_dump(by_alias=True, exclude_none=True, include=_PASSED_ON)
    given = {key: value for key, value in given.items() if value}
    given["initContainers"] = [_restricted(c) for c in _dumped(job, "init_containers")]
    return {
        **given,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": around.grace_seconds,
        "securityContext": _pod_security(job),
        "volumes": _volumes(job),
        "containers": [_trainer(job, around)],
    }


_PASSED_ON = {
    "image_pull_secrets",
    "service_account_name",
    "node_selector",
    "tolerations",
    "affinity",
    "topology_spread_constraints",
    "priority_class_name",
    "scheduler_name",
    "runtime_class_name",
}


def _dumped(job: TrainingJob, field: str) -> list[dict[str, Any]]:
    dumped = job.spec.model_dump(by_alias=True, exclude_none=True, include={field})
    found: list[dict[str, Any]] = next(iter(dumped.values()))
    return found


def _restricted(container: dict[str, Any]) -> dict[str, Any]:
    return {**container, "securityContext": _SECURITY}


def _pod_security(job: TrainingJob) -> dict[str, Any]:
    spec = job.spec
    given = {
        "runAsUser": spec.run_as_user,
        "runAsGroup": spec.run_as_group,
        "fsGroup": spec.fs_group,
    }
    return {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **{key: value for key, value in given.items() if value is not None},
    }


def _trainer(job: TrainingJob, around: Surroundings) -> dict[str, Any]:
    spec = job.spec
    resources = spec.resources.model_dump(exclude_none=True)
    container = {
        "name": labels.CONTAINER,
        "image": around.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": spec.command,
        "args": spec.args,
        "workingDir": spec.working_dir,
        "env": _environment(job, around),
        "envFrom": _env_from(job),
        "resources": {key: value for key, value in resources.items() if value},
        "ports": [{"name": "metrics", "containerPort": names.DEFAULT_METRICS_PORT}],
        "volumeMounts": _mounts(job),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _SECURITY,
    }
    return {key: value for key, value in container.items() if value not in (None, [], {})}


def _environment(job: TrainingJob, around: Surroundings) -> list[dict[str, Any]]:
    """A writable home first, then the user's variables, ours last: of equal names the last wins."""
    own = trainer_environment(job, Attempt(around.attempt, around.store))
    own[names.GRACE] = str(around.grace_seconds)
    own[names.REQUEST_FILE] = f"{CONTROL}/request"
    given = _dumped(job, "env")
    taken = {variable["name"] for variable in given}
    ours_first = {"HOME": HOME} | defaults(job)
    before = [_variable(*item) for item in ours_first.items() if item[0] not in taken]
    return before + given + [_variable(*item) for item in own.items()]


def _variable(name: str, value: str) -> dict[str, str]:
    """`$(NAME)` in a value of ours (a callback's argument may hold one) is not expanded."""
    return {"name": name, "value": value.replace("$(", "$$(")}


def _env_from(job: TrainingJob) -> list[dict[str, Any]]:
    secret = job.spec.checkpoint.credentials_secret
    own = [{"secretRef": {"name": secret}}] if secret else []
    return _dumped(job, "env_from") + own


def _mounts(job: TrainingJob) -> list[dict[str, Any]]:
    """The user's mounts, and ours where he has none at the same place."""
    given = _dumped(job, "volume_mounts")
    taken = {mount["mountPath"].rstrip("/") for mount in given}
    ours = _SCRATCH | {"perdure-control": CONTROL}
    if job.spec.shared_memory:
        ours = ours | {"perdure-shm": "/dev/shm"}  # noqa: S108 - a volume of the pod's own
    return given + [
        {"name": name, "mountPath": path} for name, path in ours.items() if path not in taken
    ]


def _volumes(job: TrainingJob) -> list[dict[str, Any]]:
    request = {
        "path": "request",
        "fieldRef": {"fieldPath": f"metadata.annotations['{requests.ANNOTATION}']"},
    }
    ours: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in _SCRATCH]
    ours.append({"name": "perdure-control", "downwardAPI": {"items": [request]}})
    if job.spec.shared_memory:
        memory = {"medium": "Memory", "sizeLimit": job.spec.shared_memory}
        ours.append({"name": "perdure-shm", "emptyDir": memory})
    return _dumped(job, "volumes") + ours
