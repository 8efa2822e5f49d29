"""The operators that the burst is measured on: how each is installed, started and asked."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import go_programs
from cluster.access import Access, CommandFailed
from cluster.control_plane import ControlPlane
from cluster.processes import Process, wait_for
from s3_server import free_port

from perdure_operator.cluster.resources import JOBS, PODS, TRAINING_JOBS, Resource

Object: TypeAlias = dict[str, Any]

DEPLOY = Path(__file__).parents[1] / "deploy"
TF_JOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob")
SERVICES = Resource("", "v1", "services", "Service")
CERTIFICATES = Path("/tmp/k8s-webhook-server/serving-certs")
"""Where Kubeflow's operator looks for its certificates; it cannot be told otherwise."""
IMAGE = "registry.example/trainer:1"
COMMAND = ["python", "train.py"]


@dataclass(frozen=True)
class Contender:
    """An operator, at one setting.

    Args:
        name: as the table has it.
        resource: what is created.
        child: what the operator creates for each, owned by it.
        leftovers: what else is there to delete after a burst.
        manifest: the object of that name.
        install: what must be there before its first start.
        start: starts it and waits until it is ready.
    """

    name: str
    resource: Resource
    child: Resource
    leftovers: tuple[Resource, ...]
    manifest: Callable[[str], Object]
    install: Callable[[ControlPlane], None]
    start: Callable[[ControlPlane], Process]


def _training_job(name: str) -> Object:
    spec = {
        "image": IMAGE,
        "command": COMMAND,
        "resources": {"limits": {"cpu": "1"}},
        "checkpoint": {"store": "s3://bucket/prefix"},
    }
    return _object(TRAINING_JOBS, name, spec)


def _tf_job(name: str) -> Object:
    container = {
        "name": "tensorflow",
        "image": IMAGE,
        "command": COMMAND,
        "resources": {"limits": {"cpu": "1"}},
    }
    worker = {"replicas": 1, "template": {"spec": {"containers": [container]}}}
    return _object(TF_JOBS, name, {"tfReplicaSpecs": {"Worker": worker}})


def _object(resource: Resource, name: str, spec: Object) -> Object:
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**head, "metadata": {"name": name}, "spec": spec}


def _install_ours(plane: ControlPlane) -> None:
    plane.namespace("perdure-system")
    plane.admin.kubectl("apply", "--server-side", "-f", str(DEPLOY / "crds"))
    plane.admin.kubectl("apply", "-k", str(DEPLOY / "rbac"))
    _wait_served(plane, TRAINING_JOBS)


def _start_ours(plane: ControlPlane) -> Process:
    """With the rights of an installation, and no more."""
    access = plane.service_account("perdure-system", "perdure-operator")
    port = free_port()
    command = [str(Path(sys.executable).with_name("perdure")), "operator", f"--port={port}"]
    return _started(plane, "perdure", command, access.environment, port)


def _install_kubeflow(plane: ControlPlane) -> None:
    """Its CRDs, and what it expects to find: its Secret, and a webhook configuration (an empty one,
    so that no request waits for it).
    """
    plane.namespace("kubeflow")
    crds = _module_folder() / "manifests" / "base" / "crds"
    plane.admin.kubectl("apply", "--server-side", "-k", str(crds))
    secret = {"name": "training-operator-webhook-cert", "namespace": "kubeflow"}
    plane.admin.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret},
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "validator.training-operator.kubeflow.org"},
        },
    )
    _wait_served(plane, TF_JOBS)


def _module_folder() -> Path:
    """Where Go keeps the sources that the operator was built from."""
    operator = go_programs.PROGRAMS["training-operator.v1"]
    module = f"{go_programs.KUBEFLOW}@{operator.key}"
    downloaded = subprocess.run(
        ["go", "mod", "download", "-json", module],
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(json.loads(downloaded.stdout)["Dir"])


def _start_kubeflow(plane: ControlPlane, *flags: str) -> Process:
    """With all rights. The certificates of its webhook are handed to it as a pod would have them."""
    port = free_port()
    command = [
        str(go_programs.program("training-operator.v1")),
        f"--health-probe-bind-address=127.0.0.1:{port}",
        "--metrics-bind-address=127.0.0.1:0",
        f"--webhook-server-port={free_port()}",
        *flags,
    ]
    environment = {**plane.admin.environment, "TMPDIR": str(CERTIFICATES.parents[1])}
    return _started(plane, "kubeflow", command, environment, port, lambda: _hand_over(plane.admin))


def _hand_over(admin: Access) -> None:
    def data() -> dict[str, str]:
        secret = admin.get("secret", "training-operator-webhook-cert", "-n", "kubeflow")
        found: dict[str, str] = secret.get("data", {})
        return found

    wait_for("the webhook's certificates", lambda: len(data()) == 4)
    CERTIFICATES.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in data().items():
        (CERTIFICATES / name).write_bytes(base64.b64decode(content))


def _started(
    plane: ControlPlane,
    name: str,
    command: list[str],
    environment: dict[str, str],
    port: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> Process:
    process = Process(
        name,
        command,
        plane.slot.logs / f"{name}.log",
        {**plane.slot.environment, **environment},
        lambda: _answers(f"http://127.0.0.1:{port}/readyz"),
    )
    process.launch()
    meanwhile()
    process.wait_ready()
    return process


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=5).close()
    except urllib.error.HTTPError as refused:
        refused.close()
        return False
    except OSError:
        return False
    return True


def _wait_served(plane: ControlPlane, resource: Resource) -> None:
    def served() -> bool:
        try:
            plane.admin.kubectl("get", "--raw", resource.path())
        except CommandFailed:
            return False
        return True

    wait_for(f"the API server to serve {resource.plural}", served)


def _kubeflow(name: str, *flags: str) -> Contender:
    return Contender(
        name,
        TF_JOBS,
        PODS,
        (PODS, SERVICES),
        _tf_job,
        _install_kubeflow,
        lambda plane: _start_kubeflow(plane, *flags),
    )


PERDURE = Contender(
    "Perdure", TRAINING_JOBS, JOBS, (JOBS, PODS), _training_job, _install_ours, _start_ours
)
KUBEFLOW_BEST = _kubeflow(
    "Kubeflow training-operator 1.9.3, 20 threads, qps 2000",
    "--controller-threads=20",
    "--kube-api-qps=2000",
    "--kube-api-burst=4000",
)
KUBEFLOW_DEFAULTS = _kubeflow("Kubeflow training-operator 1.9.3, defaults")
