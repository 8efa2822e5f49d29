"""Whether a spec can be run by this installation: what no schema can know.

Everything that is wrong with the spec alone is refused before, by the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from perdure_operator.decide.observed import Problem
from perdure_operator.model.job import Spec
from perdure_operator.model.retries import DivergenceAction

NOT_LASTING = frozenset(
    {"emptyDir", "ephemeral", "configMap", "secret", "projected", "downwardAPI"}
)
"""Volumes whose content does not outlive a pod, or cannot be written."""


def problem(spec: Spec, default_store: str | None) -> Problem | None:
    """The first thing that keeps `spec` from being run here."""
    return next(filter(None, (check(spec, default_store) for check in _CHECKS)), None)


def _no_image(spec: Spec, default_store: str | None) -> Problem | None:
    if spec.image:
        return None
    return Problem("ImageMissing", "spec.image: expected the container image. Received: nothing.")


def _no_store(spec: Spec, default_store: str | None) -> Problem | None:
    if spec.checkpoint.store or default_store:
        return None
    return Problem(
        "StoreMissing",
        "spec.checkpoint.store: expected s3://bucket/prefix. Received: nothing, and this "
        "installation has no default store.",
    )


def _store_of_the_pod(spec: Spec, default_store: str | None) -> Problem | None:
    """A folder outlives the pod only on a volume that does."""
    store = spec.checkpoint.store or default_store or ""
    if not store.startswith("file://") or _lasts(
        PurePosixPath(store.removeprefix("file://")), spec
    ):
        return None
    return Problem(
        "StoreLostWithPod",
        "spec.checkpoint.store: expected s3://bucket/prefix, or a folder below a volume mount "
        f"that outlives the pod, such as a persistentVolumeClaim. Received: {store!r}.",
    )


def _lasts(folder: PurePosixPath, spec: Spec) -> bool:
    dumped = spec.model_dump(by_alias=True, exclude_none=True, include={"volumes", "volume_mounts"})
    lasting = {volume["name"] for volume in dumped["volumes"] if not NOT_LASTING & set(volume)}
    mounts = [m["mountPath"] for m in dumped["volumeMounts"] if m["name"] in lasting]
    return any(folder.is_relative_to(mount) for mount in mounts)


def _roll_back(spec: Spec, default_store: str | None) -> Problem | None:
    if spec.retries.divergence.action is not DivergenceAction.ROLLBACK:
        return None
    return Problem(
        "NotSupported",
        "spec.retries.divergence.action: expected Stop. Received: Rollback, which is not "
        "supported yet.",
    )


_CHECKS: tuple[Callable[[Spec, str | None], Problem | None], ...] = (
    _no_image,
    _no_store,
    _store_of_the_pod,
    _roll_back,
)
