"""The part of a spec that becomes a pod: what runs, with what resources, and where.

Typed fields and no pod template: who may create TrainingJobs gets what is written here and no more.
"""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from pydantic import Field

from perdure.contract import environment
from perdure.contract.labels import GROUP
from perdure_operator.model.base import (
    KEYS,
    Count,
    Entries,
    Items,
    Labels,
    ObjectName,
    Positive,
    Quantity,
    Strict,
    Text,
)
from perdure_operator.model.containers import (
    MOUNTS_ONCE,
    NAMES_ONCE,
    EnvFrom,
    EnvVar,
    InitContainer,
    PullPolicy,
    Resources,
    VariableName,
)
from perdure_operator.model.rules import Rule, plain
from perdure_operator.model.scheduling import Affinity, Toleration, TopologySpreadConstraint
from perdure_operator.model.sources import ObjectReference
from perdure_operator.model.volumes import Volume, VolumeMount

_CURES = dict.fromkeys(
    environment.ALL - environment.SETTABLE, "Leave it out: each attempt is given its own"
)
_CURES |= {
    environment.STORE: "Set spec.checkpoint.store instead",
    environment.JOB: "Set metadata.namespace, metadata.name and spec.run instead",
    environment.EVERY: "Set spec.checkpoint.interval instead",
    environment.KEEP: "Set spec.checkpoint.keep instead",
    environment.SEED: "It follows from the job's name; a seed that the script sets itself wins",
    environment.THREADS: "Set spec.resources.limits.cpu instead",
    environment.GRACE: "Set spec.terminationGracePeriodSeconds instead",
    environment.PROGRAM: "It follows from spec.image, spec.command, spec.args and spec.env",
    environment.CONTINUE: "Set spec.continue instead",
    environment.CALLBACKS: "Set spec.callbacks instead",
}

_NOT_OURS = Rule(
    holds=lambda name: name not in _CURES,
    cel=f"!(self in {sorted(_CURES)})",
    sentence="{}.",
    received=lambda name: f"{name} is set for each attempt. {_CURES[name]}",
    received_cel="'%s is set for each attempt. %s'"
    f".format([self, {json.dumps(_CURES, sort_keys=True)}[self]])",
)
_KNOWN = Rule(
    holds=lambda name: not name.startswith("PERDURE_") or name in environment.ALL,
    cel=f"!self.startsWith('PERDURE_') || self in {sorted(environment.ALL)}",
    sentence=f"{{}} is not a variable of Perdure. Known here: {', '.join(sorted(environment.SETTABLE))}.",
)
_KEYS_NOT_OURS = Rule(
    holds=lambda entries: not _our_keys(entries),
    cel=f"!self.exists(key, key.startsWith('{GROUP}/'))",
    sentence=f"expected no key of {GROUP}/: those are Perdure's own. Received: {{}}.",
    received=lambda entries: plain(_our_keys(entries)[0]),
    received_cel=f"self.filter(key, key.startsWith('{GROUP}/'))[0]",
)


def _our_keys(entries: dict[str, str]) -> list[str]:
    return [key for key in entries if key.startswith(f"{GROUP}/")]


_MOUNTED = (
    "{of}.volumeMounts.all(m, !has(m.name) || "
    "has(self.volumes) && self.volumes.exists(v, has(v.name) && v.name == m.name))"
)
_MOUNTS_EXIST = Rule(
    holds=lambda spec: not _without_volume(spec, spec.volume_mounts),
    cel=f"!has(self.volumeMounts) || {_MOUNTED.format(of='self')}",
    sentence="expected the names of spec.volumes. Received: '{}'.",
    received=lambda spec: plain(_without_volume(spec, spec.volume_mounts)[0]),
    received_cel="self.volumeMounts.filter(m, has(m.name) && !(has(self.volumes) && "
    "self.volumes.exists(v, has(v.name) && v.name == m.name)))[0].name",
    field="volumeMounts",
)
_MOUNTS_OF_INIT_CONTAINERS_EXIST = Rule(
    holds=lambda spec: (
        not any(_without_volume(spec, c.volume_mounts) for c in spec.init_containers)
    ),
    cel="!has(self.initContainers) || self.initContainers.all(c, !has(c.volumeMounts) || "
    f"{_MOUNTED.format(of='c')})",
    sentence="expected volumeMounts with the names of spec.volumes. Received: another name.",
    field="initContainers",
)


def _without_volume(spec: PodFields, mounts: list[VolumeMount]) -> list[str]:
    volumes = {volume.name for volume in spec.volumes}
    return [mount.name for mount in mounts if mount.name not in volumes]


class TrainerVariable(EnvVar):
    """An environment variable of the training program."""

    name: Annotated[VariableName, _NOT_OURS, _KNOWN]
    """The variable's name."""


class PodFields(Strict):
    """The fields of a spec that describe the pod; most have no meaning without a cluster."""

    rules: ClassVar[tuple[Rule, ...]] = (_MOUNTS_EXIST, _MOUNTS_OF_INIT_CONTAINERS_EXIST)

    working_dir: Text | None = None
    """Where the command runs. With `perdure run` below the manifest's folder, the default."""
    env: Annotated[Items[TrainerVariable], NAMES_ONCE] = []
    """Environment variables of the program."""
    env_from: Items[EnvFrom] = []
    """ConfigMaps and Secrets whose entries become environment variables."""
    image_pull_policy: PullPolicy | None = None
    """When the image is pulled."""
    image_pull_secrets: Items[ObjectReference] = []
    """The Secrets with the registry's credentials."""
    resources: Resources = Resources()
    """What a worker may use and what is reserved for it."""
    service_account_name: ObjectName | None = None
    """The service account whose workload identity the store is accessed with. It gives no access
    to the Kubernetes API. Default: the namespace's."""
    labels: Annotated[Labels, _KEYS_NOT_OURS] = {}
    """Labels of the pods."""
    annotations: Annotated[Entries[str], KEYS, _KEYS_NOT_OURS] = {}
    """Annotations of the pods."""
    node_selector: Labels = {}
    """Labels that a node must have."""
    tolerations: Items[Toleration] = []
    """Taints that the pods tolerate."""
    affinity: Affinity | None = None
    """Which nodes and neighbours the pods prefer or need."""
    topology_spread_constraints: Items[TopologySpreadConstraint] = []
    """How the pods are spread."""
    priority_class_name: ObjectName | None = None
    """The priority of the pods."""
    scheduler_name: Text | None = None
    """The scheduler that places the pods."""
    runtime_class_name: ObjectName | None = None
    """The container runtime."""
    run_as_user: Positive | None = None
    """The user that the program runs as, never root (0)."""
    run_as_group: Count | None = None
    """The group that the program runs as."""
    fs_group: Count | None = None
    """The group that owns the volumes."""
    shared_memory: Quantity | None = None
    """The size of /dev/shm."""
    volumes: Annotated[Items[Volume], NAMES_ONCE] = []
    """Volumes of the pods."""
    volume_mounts: Annotated[Items[VolumeMount], MOUNTS_ONCE] = []
    """Where the volumes are mounted."""
    init_containers: Annotated[list[InitContainer], Field(max_length=8), NAMES_ONCE] = []
    """What runs before the trainer; with restartPolicy Always, beside it."""
