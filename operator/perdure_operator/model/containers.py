"""What containers are given, and the containers that run before and beside the trainer.

Their security context is Perdure's: the restricted Pod Security level.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from perdure_operator.model.base import (
    KEYS,
    Count,
    Entries,
    Items,
    Label,
    Positive,
    Quantity,
    Strict,
    Text,
    parse_quantity,
)
from perdure_operator.model.rules import Rule, at_most, each_once, exactly_one, matches, plain
from perdure_operator.model.sources import (
    FieldReference,
    KeyReference,
    OptionalReference,
    ResourceReference,
)
from perdure_operator.model.volumes import VolumeMount

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
Port = Annotated[Positive, at_most(65535)]
VariableName = Annotated[
    str,
    Field(max_length=256),
    matches(
        r"[-._a-zA-Z][-._a-zA-Z0-9]*",
        "expected the name of an environment variable: letters, digits, '_', '-' and '.', "
        "not beginning with a digit. Received: '{}'.",
    ),
]
NAMES_ONCE = each_once("name")
MOUNTS_ONCE = each_once("mountPath")


class EnvVarSource(Strict):
    """Where a value comes from on a cluster."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "secretKeyRef",
            "configMapKeyRef",
            "fieldRef",
            "resourceFieldRef",
        ),
    )

    secret_key_ref: KeyReference | None = None
    """An entry of a Secret."""
    config_map_key_ref: KeyReference | None = None
    """An entry of a ConfigMap."""
    field_ref: FieldReference | None = None
    """A field of the pod."""
    resource_field_ref: ResourceReference | None = None
    """A limit or request of a container."""


class EnvVar(Strict):
    """An environment variable."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds=lambda variable: variable.value is None or variable.value_from is None,
            cel="!has(self.value) || !has(self.valueFrom)",
            sentence="expected value or valueFrom. Received: both.",
            field="valueFrom",
        ),
    )

    name: VariableName
    """The variable's name."""
    value: str | None = None
    """Its value, a string: numbers are quoted."""
    value_from: EnvVarSource | None = None
    """Where the value comes from on a cluster: a Secret, a ConfigMap or a field of the pod."""


class EnvFrom(Strict):
    """A ConfigMap or Secret whose entries become environment variables."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("configMapRef", "secretRef"),)

    prefix: Text | None = None
    """What is put before each name."""
    config_map_ref: OptionalReference | None = None
    """The ConfigMap."""
    secret_ref: OptionalReference | None = None
    """The Secret."""


def _above_limit(resources: Resources) -> list[str]:
    return [
        name
        for name, request in resources.requests.items()
        if name in resources.limits
        and parse_quantity(request) > parse_quantity(resources.limits[name])
    ]


def _without_limit(resources: Resources) -> list[str]:
    """Devices cannot be shared: what is reserved is what is used."""
    return [n for n in resources.requests if "/" in n and n not in resources.limits]


def _compared(which: str) -> str:
    quantity = "isQuantity(string(self.{0}[name]))"
    known = f"{quantity.format('requests')} && {quantity.format('limits')}"
    return (
        f"{which}(name, name in self.limits && {known} && quantity(string(self.requests[name]))"
        ".isGreaterThan(quantity(string(self.limits[name]))))"
    )


class Resources(Strict):
    """What a container may use and what is reserved for it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds=lambda resources: not _above_limit(resources),
            cel=f"!has(self.requests) || !has(self.limits) || !{_compared('self.requests.exists')}",
            sentence="expected at most the limits. Received: more {} than its limit.",
            received=lambda resources: plain(_above_limit(resources)[0]),
            received_cel=f"{_compared('self.requests.filter')}[0]",
            field="requests",
        ),
        Rule(
            holds=lambda resources: not _without_limit(resources),
            cel="!has(self.requests) || self.requests.all(name, "
            "!name.contains('/') || has(self.limits) && name in self.limits)",
            sentence="expected a limit for each device that is requested. Received: none for {}.",
            received=lambda resources: plain(_without_limit(resources)[0]),
            received_cel="self.requests.filter(name, "
            "name.contains('/') && !(has(self.limits) && name in self.limits))[0]",
            field="limits",
        ),
    )

    limits: Annotated[Entries[Quantity], KEYS] = {}
    """The most it may use, such as {cpu: 4, memory: 16Gi, nvidia.com/gpu: 1}."""
    requests: Annotated[Entries[Quantity], KEYS] = {}
    """What is reserved for it. Default: the limits."""


class ContainerPort(Strict):
    """A port that a container listens on."""

    name: Label | None = None
    """The port's name."""
    container_port: Port
    """The port's number."""
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None
    """The protocol. Default: TCP."""


class Exec(Strict):
    """A command in the container that succeeds."""

    command: Items[str]
    """The command."""


class HTTPGet(Strict):
    """A request that is answered with success."""

    port: Port
    """The port's number."""
    path: Text | None = None
    """The path."""
    scheme: Literal["HTTP", "HTTPS"] | None = None
    """The protocol. Default: HTTP."""


class TCPSocket(Strict):
    """A connection that is accepted."""

    port: Port
    """The port's number."""


class Probe(Strict):
    """How the state of a sidecar is found out."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("exec", "httpGet", "tcpSocket"),)

    exec: Exec | None = None
    """A command in the container that succeeds."""
    http_get: HTTPGet | None = None
    """A request that is answered with success."""
    tcp_socket: TCPSocket | None = None
    """A connection that is accepted."""
    initial_delay_seconds: Count | None = None
    """How long after the container's start the first one is."""
    timeout_seconds: Positive | None = None
    """How long an answer may take."""
    period_seconds: Positive | None = None
    """How long it is from one to the next."""
    success_threshold: Positive | None = None
    """How many in a row have to succeed."""
    failure_threshold: Positive | None = None
    """How many in a row have to fail."""


class InitContainer(Strict):
    """A container that runs before the trainer, or beside it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds=lambda it: (
                it.restart_policy
                or not (it.startup_probe or it.liveness_probe or it.readiness_probe)
            ),
            cel="has(self.restartPolicy) || "
            "!has(self.startupProbe) && !has(self.livenessProbe) && !has(self.readinessProbe)",
            sentence="expected Always in a container with probes: they are for sidecars. "
            "Received: nothing.",
            field="restartPolicy",
        ),
    )

    name: Annotated[
        Label,
        Rule(
            holds=lambda name: name != "trainer",
            cel="self != 'trainer'",
            sentence="expected another name than trainer, which is the training container's.",
        ),
    ]
    """The container's name."""
    image: Text
    """The container image."""
    image_pull_policy: PullPolicy | None = None
    """When the image is pulled."""
    restart_policy: Literal["Always"] | None = None
    """Always makes it a sidecar: it starts before the trainer and runs beside it."""
    command: Items[str] = []
    """The program and its first arguments. Default: the image's."""
    args: Items[str] = []
    """Further arguments."""
    working_dir: Text | None = None
    """Where the command runs."""
    env: Annotated[Items[EnvVar], NAMES_ONCE] = []
    """Environment variables."""
    env_from: Items[EnvFrom] = []
    """ConfigMaps and Secrets whose entries become environment variables."""
    resources: Resources | None = None
    """What the container may use and what is reserved for it."""
    volume_mounts: Annotated[Items[VolumeMount], MOUNTS_ONCE] = []
    """Where the volumes are mounted."""
    ports: Items[ContainerPort] = []
    """The ports that the container listens on."""
    startup_probe: Probe | None = None
    """When a sidecar has started: the trainer waits for it."""
    liveness_probe: Probe | None = None
    """When a sidecar is to be started again."""
    readiness_probe: Probe | None = None
    """When a sidecar is ready."""
