"""The CustomResourceDefinition of the TrainingJob, made from its types."""

from __future__ import annotations

from typing import Any

import yaml

from perdure.contract import labels
from perdure_operator.build.structural_schema import structural_schema
from perdure_operator.model.base import LABEL
from perdure_operator.model.job import Spec, TrainingJob
from perdure_operator.model.rules import VALIDATIONS, is_given, needed
from perdure_operator.model.status import JobStatus

_KEYS = {"conditions": "type", "metrics": "name"}
"""Lists of the status whose items are told apart by a field."""


def manifest() -> str:
    """The definition as YAML."""
    return yaml.safe_dump(custom_resource_definition(), sort_keys=False, width=110)


def custom_resource_definition() -> dict[str, Any]:
    """The definition, as `kubectl apply` takes it."""
    names = {
        "kind": labels.KIND,
        "listKind": f"{labels.KIND}List",
        "plural": labels.PLURAL,
        "singular": labels.KIND.lower(),
        "shortNames": ["tj"],
        "categories": ["all"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{labels.PLURAL}.{labels.GROUP}"},
        "spec": {
            "group": labels.GROUP,
            "names": names,
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": labels.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(),
        "schema": {"openAPIV3Schema": _schema()},
    }


def _columns() -> list[dict[str, Any]]:
    return [
        _column("Phase", ".status.phase"),
        _column("Ready", ".status.ready"),
        _column("Step", ".status.progress.step", "integer"),
        _column("Progress", ".status.progress.percent", "integer"),
        _column("Retries", ".status.retries.total", "integer"),
        _column("Checkpoint", ".status.checkpoint.time", "date"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Loss", '.status.metrics[?(@.name=="loss")].value', priority=1),
        _column("Reason", ".status.reason", priority=1),
    ]


def _column(name: str, path: str, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


def _schema() -> dict[str, Any]:
    spec = structural_schema(Spec)
    spec[VALIDATIONS].append(is_given("image", "the container image"))
    return {
        "type": "object",
        "description": str(TrainingJob.__doc__),
        VALIDATIONS: [
            is_given("spec", needed(TrainingJob.model_fields["spec"])),
            LABEL.of("metadata.name"),
        ],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": _status(),
        },
    }


def _status() -> dict[str, Any]:
    status = structural_schema(JobStatus)
    for field, key in _KEYS.items():
        status["properties"][field] |= {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [key],
        }
    return status
