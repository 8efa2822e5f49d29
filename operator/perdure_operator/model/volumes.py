"""Volumes: the kinds that the restricted Pod Security level allows.

Not among them are folders of the node, and tokens of service accounts: training pods have none.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from perdure_operator.model.base import (
    KEYS,
    Entries,
    Items,
    Label,
    Labels,
    ObjectName,
    Quantity,
    Strict,
    Text,
)
from perdure_operator.model.rules import Rule, exactly_one, matches
from perdure_operator.model.scheduling import LabelSelector
from perdure_operator.model.sources import (
    ConfigMapFiles,
    DownwardFiles,
    KeyToPath,
    Mode,
    ObjectReference,
    SecretFiles,
)


class ClaimedVolume(Strict):
    """A PersistentVolumeClaim of the job's namespace."""

    claim_name: ObjectName
    """The claim's name."""
    read_only: bool | None = None
    """Whether it is mounted read-only."""


class ClaimResources(Strict):
    """How much a claim asks for."""

    requests: Entries[Quantity] = {}
    """Such as {storage: 100Gi}."""
    limits: Entries[Quantity] = {}
    """The most it may get."""


class DataSource(Strict):
    """What a new volume is filled from."""

    api_group: Text | None = None
    """The API group of the source."""
    kind: Text
    """The kind of the source."""
    name: ObjectName
    """The source's name."""


class ClaimSpec(Strict):
    """What is claimed."""

    access_modes: Items[
        Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
    ]
    """How the volume may be mounted, such as [ReadWriteOnce]."""
    resources: ClaimResources
    """How much is claimed, such as {requests: {storage: 100Gi}}."""
    storage_class_name: Text | None = None
    """The class of storage. Default: the cluster's."""
    volume_mode: Literal["Filesystem"] | None = None
    """A file system is the only mode that can be mounted."""
    selector: LabelSelector | None = None
    """Which volumes are considered."""
    data_source: DataSource | None = None
    """What the volume is filled from, such as a VolumeSnapshot."""


class ClaimMetadata(Strict):
    """The metadata of a claim."""

    labels: Labels = {}
    """Labels of the claim."""
    annotations: Annotated[Entries[str], KEYS] = {}
    """Annotations of the claim."""


class ClaimTemplate(Strict):
    """The claim that is made for each pod."""

    metadata: ClaimMetadata | None = None
    """The metadata of the claim."""
    spec: ClaimSpec
    """What is claimed."""


class EphemeralVolume(Strict):
    """A volume that is made for each pod and deleted with it."""

    volume_claim_template: ClaimTemplate
    """The claim that is made."""


class ConfigMapVolume(ConfigMapFiles):
    """A ConfigMap as a volume."""

    default_mode: Mode | None = None
    """The files' permissions."""


class SecretVolume(Strict):
    """A Secret as a volume."""

    secret_name: ObjectName
    """The Secret's name."""
    items: Items[KeyToPath] = []
    """The entries. Default: all."""
    optional: bool | None = None
    """Whether the pods start without it."""
    default_mode: Mode | None = None
    """The files' permissions."""


class DownwardVolume(DownwardFiles):
    """Fields of the pod as a volume."""

    default_mode: Mode | None = None
    """The files' permissions."""


class Projection(Strict):
    """One source of a projected volume."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("configMap", "secret", "downwardAPI"),)

    config_map: ConfigMapFiles | None = None
    """A ConfigMap."""
    secret: SecretFiles | None = None
    """A Secret."""
    downward_api: Annotated[DownwardFiles | None, Field(alias="downwardAPI")] = None
    """Fields of the pod."""


class ProjectedVolume(Strict):
    """Several sources in one volume."""

    sources: Annotated[list[Projection], Field(max_length=16)]
    """The sources."""
    default_mode: Mode | None = None
    """The files' permissions."""


class CSIVolume(Strict):
    """A volume of a driver that serves it for the pod's life."""

    driver: ObjectName
    """The driver's name."""
    read_only: bool | None = None
    """Whether it is mounted read-only."""
    fs_type: Text | None = None
    """The file system."""
    volume_attributes: Entries[str] = {}
    """What the driver wants to know."""
    node_publish_secret_ref: ObjectReference | None = None
    """The Secret that the driver is given."""


class EmptyDir(Strict):
    """An empty folder that goes with the pod."""

    medium: Literal["", "Memory"] | None = None
    """Memory keeps it in memory."""
    size_limit: Quantity | None = None
    """The most it may hold."""


class Volume(Strict):
    """A volume of the pods."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "persistentVolumeClaim",
            "ephemeral",
            "configMap",
            "secret",
            "projected",
            "csi",
            "emptyDir",
            "downwardAPI",
        ),
    )

    name: Annotated[
        Label,
        Rule(
            holds=lambda name: not name.startswith("perdure-"),
            cel="!self.startsWith('perdure-')",
            sentence="expected a name that does not begin with perdure-: those are Perdure's own. "
            "Received: '{}'.",
        ),
    ]
    """The volume's name."""
    persistent_volume_claim: ClaimedVolume | None = None
    """A PersistentVolumeClaim of the job's namespace."""
    ephemeral: EphemeralVolume | None = None
    """A volume that is made for each pod and deleted with it."""
    config_map: ConfigMapVolume | None = None
    """A ConfigMap."""
    secret: SecretVolume | None = None
    """A Secret."""
    projected: ProjectedVolume | None = None
    """Several sources in one volume."""
    csi: CSIVolume | None = None
    """A volume of a driver."""
    empty_dir: EmptyDir | None = None
    """An empty folder that goes with the pod."""
    downward_api: Annotated[DownwardVolume | None, Field(alias="downwardAPI")] = None
    """Fields of the pod."""


MountPath = Annotated[
    str,
    Field(max_length=512),
    matches(r"/[^:]*", "expected an absolute path without ':', such as /data. Received: '{}'."),
]


class VolumeMount(Strict):
    """Where a volume is mounted."""

    name: Label
    """The volume's name."""
    mount_path: MountPath
    """The folder in the container."""
    sub_path: Text | None = None
    """The folder in the volume. Default: its root."""
    read_only: bool | None = None
    """Whether it is mounted read-only."""
