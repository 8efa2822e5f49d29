"""The definition installed on an API server, and manifests as kubectl would send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cluster.access import Access, CommandFailed
from cluster.processes import wait_for

from perdure_operator.model import document

ROOT = Path(__file__).parents[1]
CRD = ROOT / "deploy/crds/trainingjobs.yaml"


def install(admin: Access) -> None:
    """Apply the committed definition and wait until it is served."""
    admin.kubectl("apply", "-f", str(CRD))
    wait_for("TrainingJobs to be served", lambda: _are_served(admin))


def _are_served(admin: Access) -> bool:
    try:
        admin.kubectl("get", "trainingjobs.v1alpha1.perdure.dev")
    except CommandFailed:
        return False
    return True


def for_a_cluster(manifest: Path) -> dict[str, Any]:
    """The manifest's object with an image, without what the API server sets itself."""
    value, _ = document.read(manifest.read_text())
    if isinstance(value.get("spec"), dict):
        value["spec"].setdefault("image", "digits:1")
    for name in ("namespace", "uid", "resourceVersion", "generation", "creationTimestamp"):
        value["metadata"].pop(name, None)
    return value


def refusal(admin: Access, value: Any, validate: str = "ignore") -> str:
    """What the API server says against the object; nothing where it takes it."""
    command = ["create", "--dry-run=server", f"--validate={validate}", "-f", "-"]
    try:
        admin.kubectl(*command, stdin=json.dumps(value))
    except CommandFailed as failed:
        return str(failed).partition(": ")[2]
    return ""
