"""Objects as the API has them, and what every one of them carries."""

from __future__ import annotations

from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
Name: TypeAlias = tuple[str, str]


def name_of(obj: Object) -> Name:
    """Namespace (empty for what is in none) and name."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def uid_of(obj: Object) -> str:
    """What tells an object from a later one of the same name."""
    return str(obj["metadata"]["uid"])


def version_of(obj: Object) -> int:
    """The resourceVersion; Kubernetes promises that those of one resource can be compared."""
    return int(obj["metadata"]["resourceVersion"])


def drop_managed_fields(obj: Object) -> Object:
    """`obj` without the record of who set which field: half of its size, and nobody reads it."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    return {**obj, "metadata": metadata}
