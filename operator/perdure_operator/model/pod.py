"""The part of a spec that becomes a pod: what runs, with what resources, and where.

Deep Kubernetes types are known by name and passed on; each gets its rule when pods are built.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from perdure.contract import environment
from perdure_operator.model.base import Count, Mapping, Quantity, Strict, Text, refuse
from perdure_operator.model.suggest import close_name

_CURES = {
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
    environment.ATTEMPT: "Leave it out: each attempt is given its own",
    environment.METRICS_PORT: "Leave it out: each attempt is given its own",
    environment.TERMINATION_LOG: "Leave it out: each attempt is given its own",
}


def _variable(name: str) -> str:
    if not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", name):
        refuse(
            "expected the name of an environment variable: letters, digits, '_', '-' and '.', "
            f"not beginning with a digit. Received: {name!r}."
        )
    if name in _CURES:
        refuse(f"{name} is set for each attempt. {_CURES[name]}.")
    if name.startswith("PERDURE_") and name not in environment.ALL:
        refuse(
            f"{name} is not a variable of Perdure.{close_name(name, environment.ALL - set(_CURES))}"
        )
    return name


class EnvVar(Strict):
    """An environment variable of the training program."""

    name: Annotated[str, AfterValidator(_variable)]
    """The variable's name."""
    value: str | None = None
    """Its value, a string: numbers are quoted."""
    value_from: Mapping | None = None
    """Where the value comes from on a cluster: a Secret, a ConfigMap or a field of the pod."""

    @model_validator(mode="after")
    def _one_source(self) -> EnvVar:
        if self.value is not None and self.value_from is not None:
            refuse("expected value or valueFrom. Received: both.", field="valueFrom")
        return self


def _each_once(variables: list[EnvVar]) -> list[EnvVar]:
    names = [variable.name for variable in variables]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        refuse(f"expected each name once. Received more than once: {', '.join(twice)}.")
    return variables


class Resources(Strict):
    """What a worker may use and what is reserved for it."""

    limits: dict[str, Quantity] = {}
    """The most a worker may use, such as {cpu: 4, memory: 16Gi, nvidia.com/gpu: 1}."""
    requests: dict[str, Quantity] = {}
    """What is reserved for it. Default: the limits."""


class PodFields(Strict):
    """The fields of a spec that describe the pod; most have no meaning without a cluster."""

    working_dir: Text | None = None
    """Where the command runs. With `perdure run` below the manifest's folder, the default."""
    env: Annotated[list[EnvVar], AfterValidator(_each_once)] = []
    """Environment variables of the program."""
    env_from: list[Mapping] = []
    """ConfigMaps and Secrets whose entries become environment variables."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the image is pulled."""
    image_pull_secrets: list[Mapping] = []
    """The Secrets with the registry's credentials."""
    resources: Resources = Resources()
    """What a worker may use and what is reserved for it."""
    service_account_name: Text | None = None
    """The service account whose workload identity the store is accessed with."""
    labels: dict[str, str] = {}
    """Labels of the pods."""
    annotations: dict[str, str] = {}
    """Annotations of the pods."""
    node_selector: dict[str, str] = {}
    """Labels that a node must have."""
    tolerations: list[Mapping] = []
    """Taints that the pods tolerate."""
    affinity: Mapping | None = None
    """Which nodes and neighbours the pods prefer or need."""
    topology_spread_constraints: list[Mapping] = []
    """How the pods are spread."""
    priority_class_name: Text | None = None
    """The priority of the pods."""
    scheduler_name: Text | None = None
    """The scheduler that places the pods."""
    runtime_class_name: Text | None = None
    """The container runtime."""
    run_as_user: Count | None = None
    """The user that the program runs as."""
    run_as_group: Count | None = None
    """The group that the program runs as."""
    fs_group: Count | None = None
    """The group that owns the volumes."""
    shared_memory: Quantity | None = None
    """The size of /dev/shm."""
    volumes: list[Mapping] = []
    """Volumes of the pods."""
    volume_mounts: list[Mapping] = []
    """Where the volumes are mounted."""
    init_containers: list[Mapping] = []
    """What runs before the trainer; with restartPolicy Always, beside it."""
