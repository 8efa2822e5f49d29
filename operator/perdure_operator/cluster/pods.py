"""Raw pods, as the API has them, read into what decisions are made on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from perdure.contract import labels, requests
from perdure_operator.cluster.problems import pod_problem
from perdure_operator.decide.observed import Exit, Pod
from perdure_operator.model.times import epoch

_TAKEN_AWAY = frozenset(
    {"Evicted", "Preempting", "NodeShutdown", "NodeAffinity", "NodeLost", "Shutdown", "Terminated"}
)
"""Reasons of a pod's status with which the kubelet or the node controller ended it."""

_UNSEEN_ENDS = frozenset({"ContainerStatusUnknown", "Unknown"})
"""Reasons that the kubelet and containerd give for a container that was gone when they came back."""

OVER = frozenset({"Failed", "Succeeded"})
"""Phases in which all containers of a pod have ended. Before, the Job controller takes the pod for an
active one, which it deletes, with its log, when its Job is suspended.
"""

_LOST_AFTER_SECONDS = 30.0
"""A pod that is still there this long after the end of its grace is on a node that does not answer:
what may be left of its process is fenced by the lineage."""


def read_pod(raw: dict[str, Any], *, ours: bool, now: float) -> Pod:
    """The view of a raw pod; `ours` says whether a Job of this TrainingJob owns it."""
    metadata, status = raw["metadata"], raw.get("status", {})
    container = trainer_of(status.get("containerStatuses", ()))
    over = status.get("phase") in OVER
    ended = (_exit(container) or _failed_before(status)) if over else None
    deleted = metadata.get("deletionTimestamp")
    delete_by = epoch(deleted) if deleted else None
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        attempt=attempt_of(raw),
        created=epoch(metadata["creationTimestamp"]),
        ours=ours,
        delete_by=delete_by,
        disrupted=delete_by is not None or _is_disrupted(status, ended),
        running=not over and not {"running", "terminated"}.isdisjoint(container.get("state", {})),
        exit=ended,
        gone_without_exit=_is_gone(status, delete_by, now),
        problem=pod_problem(raw, now),
        grace_seconds=raw["spec"].get("terminationGracePeriodSeconds"),
        image=trainer_of(raw["spec"]["containers"]).get("image"),
        image_id=container.get("imageID") or None,
        request=metadata.get("annotations", {}).get(requests.ANNOTATION),
    )


def attempt_of(raw: dict[str, Any]) -> int:
    """The attempt in the label; 0 where somebody took the label away."""
    text = raw["metadata"].get("labels", {}).get(labels.ATTEMPT_LABEL, "")
    return int(text) if text.isdecimal() else 0


def trainer_of(containers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The trainer among containers, or among their statuses."""
    return next((c for c in containers if c["name"] == labels.CONTAINER), {})


def _exit(container: dict[str, Any]) -> Exit | None:
    ended = container.get("state", {}).get("terminated")
    if ended is None:
        return None
    return Exit(
        code=ended["exitCode"],
        signal=ended.get("signal"),
        reason=ended.get("reason", ""),
        said=ended.get("message", ""),
        begun=ended.get("startedAt") is not None,
    )


def _failed_before(status: dict[str, Any]) -> Exit | None:
    """The end of the init container whose failure kept the trainer from beginning."""
    if status.get("phase") != "Failed":
        return None
    for container in status.get("initContainerStatuses", ()):
        ended = _exit(container)
        if ended is not None and ended.code != 0:
            return replace(ended, reason=f"init container {container['name']}")
    return None


def _is_disrupted(status: dict[str, Any], ended: Exit | None) -> bool:
    conditions = status.get("conditions", ())
    if ended is not None and ended.reason in _UNSEEN_ENDS:
        return True
    return status.get("reason") in _TAKEN_AWAY or any(
        c["type"] == "DisruptionTarget" and c["status"] == "True" for c in conditions
    )


def _is_gone(status: dict[str, Any], delete_by: float | None, now: float) -> bool:
    """Whether no exit will come: the pod ended before its container began, or its node is lost."""
    if status.get("phase") in OVER:
        return True
    return delete_by is not None and now > delete_by + _LOST_AFTER_SECONDS
