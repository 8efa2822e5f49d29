"""A TrainingJob as the API server stores it: what it says, and what it lost on the way there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from perdure_operator.model.job import TrainingJob
from perdure_operator.model.sentences import unknown_fields_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_METADATA = ("name", "namespace", "uid", "generation", "labels", "annotations", "creationTimestamp")


def from_api(stored: Mapping[str, Any]) -> TrainingJob:
    """The TrainingJob of an object of the API, without its status.

    Raises:
        ValidationError: it breaks a rule, for it was stored under other ones.
    """
    metadata = stored["metadata"]
    return TrainingJob.model_validate(
        {
            "apiVersion": stored["apiVersion"],
            "kind": stored["kind"],
            "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
            "spec": stored.get("spec"),
        }
    )


def unknown_fields(document: Mapping[str, Any]) -> list[str]:
    """A sentence for each field of a manifest that the API server drops, for no schema has it."""
    try:
        TrainingJob.model_validate(document)
    except ValidationError as error:
        return unknown_fields_of(error, TrainingJob)
    return []


def ignored_fields(annotations: Mapping[str, str]) -> list[str]:
    """The unknown fields of what `kubectl apply` was last given, by what it noted down."""
    try:
        applied = json.loads(annotations.get(LAST_APPLIED, "{}"))
    except ValueError:
        return []  # somebody else's writing: kubectl writes JSON
    return unknown_fields(applied) if isinstance(applied, dict) else []
