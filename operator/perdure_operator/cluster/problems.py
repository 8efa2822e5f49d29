"""What keeps a pod from running, as a sentence that names the cure."""

from __future__ import annotations

import re
from typing import Any

from perdure_operator.decide.observed import Problem
from perdure_operator.model.times import epoch

Raw = dict[str, Any]

_NOT_PULLED = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
    }
)
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: )?(ErrImagePull: )?')
_LONGEST_MESSAGE = 400
_PATIENCE_SECONDS = 60.0


def pod_problem(raw: Raw, now: float) -> Problem | None:
    """The first thing that keeps the pod from running, if something does."""
    return _unscheduled(raw) or _waiting(raw) or _slow(raw, now)


def _unscheduled(raw: Raw) -> Problem | None:
    for condition in raw.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Problem("Unschedulable", _no_node(raw, _clipped(condition.get("message", ""))))
    return None


def _no_node(raw: Raw, message: str) -> str:
    """Name the extended resource that the scheduler misses: most often it is the GPU."""
    missing = re.findall(r"Insufficient ([\w.-]+/[\w-]+(?:\.[\w-]+)*)", message)
    if not missing:
        return (
            "no node can take the pod. Check spec.resources, spec.nodeSelector, spec.affinity, "
            f"spec.tolerations and spec.volumes. The scheduler says: {message}"
        )
    limits = raw["spec"]["containers"][0].get("resources", {}).get("limits", {})
    wanted = ", ".join(f"{name}: {limits.get(name, '?')}" for name in dict.fromkeys(missing))
    return (
        f"no node has {wanted} free that the pod may use. Check spec.resources, spec.nodeSelector "
        f"and spec.tolerations, and the nodes' device plugin. The scheduler says: {message}"
    )


def _waiting(raw: Raw) -> Problem | None:
    """What a container waits for that does not come by itself."""
    status = raw.get("status", {})
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next(filter(None, map(_container_waits, containers)), None)


def _container_waits(container: Raw) -> Problem | None:
    waiting = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), _clipped(waiting.get("message", ""))
    name, image = container["name"], container["image"]
    if reason in _NOT_PULLED:
        return Problem(
            "ImageNotPulled",
            f"the image {image} of the container {name} cannot be pulled: "
            f"{_BACK_OFF.sub('', message) or reason}. Check its name in the spec, and "
            "spec.imagePullSecrets for a private registry.",
        )
    if reason == "CreateContainerConfigError":
        return _not_configured(image, message)
    if reason in {"CreateContainerError", "RunContainerError"}:
        return Problem("ContainerNotStarted", f"the container {name} cannot be started: {message}")
    return None


_MISSING = {
    "secret": ("Secret", "SecretMissing"),
    "configmap": ("ConfigMap", "ConfigMapMissing"),
}


def _not_configured(image: str, message: str) -> Problem:
    if "runAsNonRoot" in message or "non-root" in message:
        return Problem(
            "ImageNeedsRoot",
            f"spec.image: {image} runs as root, or as a user without a number; training pods may "
            "not be root. Set spec.runAsUser to a number such as 1000, or a numeric USER in the "
            "image.",
        )
    missing = re.search(r'(secret|configmap) "([^"]+)" not found', message)
    if missing:
        kind, reason = _MISSING[missing[1]]
        return Problem(
            reason,
            f"the {kind} {missing[2]} is not in this namespace. Create it and the pod goes on, or "
            "change spec.checkpoint.credentialsSecret, spec.env or spec.envFrom.",
        )
    return Problem("ContainerNotConfigured", f"the container cannot be configured: {message}")


def _slow(raw: Raw, now: float) -> Problem | None:
    """The API does not say what a pod without a container waits for: its events do."""
    since = epoch(raw.get("status", {}).get("startTime") or raw["metadata"]["creationTimestamp"])
    containers = raw.get("status", {}).get("containerStatuses", ())
    reasons = {c.get("state", {}).get("waiting", {}).get("reason") for c in containers}
    if not reasons & {"ContainerCreating", "PodInitializing"} or now < since + _PATIENCE_SECONDS:
        return None
    return Problem(
        "ContainerNotCreated",
        "the pod has waited for more than a minute for its volumes, network, init containers or "
        f"image. See: kubectl describe pod {raw['metadata']['name']}",
    )


def _clipped(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 3] + "..."
