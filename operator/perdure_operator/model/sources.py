"""Where values come from on a cluster: Secrets, ConfigMaps and fields of the pod, all by name in the
job's own namespace.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from perdure_operator.model.base import Count, Items, ObjectName, Quantity, Strict, Text
from perdure_operator.model.rules import Rule, at_most, exactly_one

Mode = Annotated[Count, at_most(0o777)]


class ObjectReference(Strict):
    """An object of the job's namespace."""

    name: ObjectName
    """The object's name."""


class OptionalReference(ObjectReference):
    """An object of the job's namespace, which may be missing."""

    optional: bool | None = None
    """Whether the pods start without it."""


class KeyReference(OptionalReference):
    """An entry of a Secret or ConfigMap."""

    key: Text
    """The entry."""


class FieldReference(Strict):
    """A field of the pod."""

    api_version: Text | None = None
    """The version of the path."""
    field_path: Text
    """The field, such as metadata.name."""


class ResourceReference(Strict):
    """A limit or request of a container."""

    container_name: Text | None = None
    """The container; the trainer's is called trainer."""
    resource: Text
    """The resource, such as limits.memory."""
    divisor: Quantity | None = None
    """The unit."""


class KeyToPath(Strict):
    """An entry that becomes a file."""

    key: Text
    """The entry."""
    path: Text
    """The file, below the volume."""
    mode: Mode | None = None
    """The file's permissions."""


class ConfigMapFiles(Strict):
    """A ConfigMap as files."""

    name: ObjectName
    """The ConfigMap's name."""
    items: Items[KeyToPath] = []
    """The entries. Default: all."""
    optional: bool | None = None
    """Whether the pods start without it."""


class SecretFiles(ConfigMapFiles):
    """A Secret as files."""

    name: ObjectName
    """The Secret's name."""


class DownwardFile(Strict):
    """A field of the pod as a file."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("fieldRef", "resourceFieldRef"),)

    path: Text
    """The file, below the volume."""
    field_ref: FieldReference | None = None
    """A field of the pod."""
    resource_field_ref: ResourceReference | None = None
    """A limit or request of a container."""
    mode: Mode | None = None
    """The file's permissions."""


class DownwardFiles(Strict):
    """Fields of the pod as files."""

    items: Annotated[list[DownwardFile], Field(max_length=16)] = []
    """The files."""
