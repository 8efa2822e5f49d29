"""Perdure installed on a cluster with nodes, and a restricted namespace to train in."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cluster.access import Access, CommandFailed, kubectl_command
from cluster.cluster import Cluster
from cluster.processes import wait_for
from operator_process import OperatorProcess
from s3_server import S3
from training import Training

ROOT = Path(__file__).parents[1]
SYSTEM = "perdure-system"
OPERATOR = "perdure-operator"
TRAINING = "training"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Ground:
    """What the end-to-end tests stand on; the operator's Deployment is there, with no replica."""

    cluster: Cluster
    s3: S3
    operator_image: str
    digits_image: str
    secret: str = "store"

    @property
    def admin(self) -> Access:
        """The cluster's administrator."""
        return self.cluster.admin

    @property
    def store(self) -> str:
        """Where trainings save."""
        return self.s3.url

    @contextmanager
    def operator_pod(self) -> Iterator[None]:
        """The operator as it is installed: a pod of its Deployment."""
        self._scale(1)
        deployment = f"deployment/{OPERATOR}"
        self.admin.kubectl("rollout", "status", deployment, "-n", SYSTEM, "--timeout=120s")
        try:
            yield
        finally:
            self._scale(0)
            wait_for(
                "the operator's pod to be gone",
                lambda: not self.admin.get("pods", "-n", SYSTEM)["items"],
            )

    def _scale(self, replicas: int) -> None:
        scale = f"--replicas={replicas}"
        self.admin.kubectl("scale", f"deployment/{OPERATOR}", "-n", SYSTEM, scale)

    def operator_process(self, folder: Path) -> OperatorProcess:
        """The operator as a process of this machine, with the rights of the installed one."""
        access = self.cluster.control_plane.service_account(SYSTEM, OPERATOR)
        return OperatorProcess(access, folder / "operator.log")

    def drain_node_of(self, training: Training) -> Callable[[str], None]:
        """Drains the node that a pod is on, and gives it back."""

        def drain(pod: str) -> None:
            node = training.node_of(pod)
            try:
                self.admin.kubectl(
                    "drain",
                    node,
                    "--ignore-daemonsets",
                    "--delete-emptydir-data",
                    "--force",  # other tests' pods, which no controller has made, are on it too
                    "--timeout=120s",
                )
            finally:
                self.admin.kubectl("uncordon", node)

        return drain

    def logs(self, pod: str) -> str:
        """What a trainer has printed."""
        try:
            return self.admin.kubectl("logs", pod, "-n", TRAINING)
        except CommandFailed:
            return ""  # its container is not there yet

    def remove(self, training: Training) -> None:
        """Delete the TrainingJob, and wait until its pods are gone."""
        self.admin.kubectl("delete", "tj", training.name, "-n", TRAINING, "--wait")
        wait_for(f"the pods of {training.name} to be gone", lambda: not training.pods(), 120)


def prepare(cluster: Cluster) -> Ground:
    """Install with kubectl, as the README says, and make a namespace with the store's credentials."""
    s3 = cluster.bucket()
    ground = Ground(cluster, s3, cluster.image("operator"), cluster.image("example"))
    cluster.admin.kubectl("apply", "-f", "-", stdin=_installation(ground.operator_image))
    cluster.control_plane.components["kube-controller-manager"].stop()
    cluster.control_plane.components["kube-controller-manager"].start()  # knows the new CRD now
    cluster.control_plane.namespace(TRAINING, RESTRICTED)
    entries = [f"--from-literal={name}={value}" for name, value in s3.environment.items()]
    cluster.admin.kubectl("create", "secret", "generic", ground.secret, "-n", TRAINING, *entries)
    return ground


def _installation(image: str) -> str:
    """What `kubectl apply -k deploy/` installs, with the image of these tests and no replica yet."""
    rendered = subprocess.run(
        [*kubectl_command(), "kustomize", str(ROOT / "deploy")],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    documents = list(yaml.safe_load_all(rendered))
    for document in documents:
        if document["kind"] == "Deployment":
            document["spec"]["replicas"] = 0
            container = document["spec"]["template"]["spec"]["containers"][0]
            container |= {"image": image, "imagePullPolicy": "Never"}
    return yaml.safe_dump_all(documents)
