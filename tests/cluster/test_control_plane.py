"""The control plane: who may do what, and what outlives a component's death."""

from __future__ import annotations

import uuid

import pytest

from cluster.access import CommandFailed
from cluster.control_plane import ControlPlane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    return control_plane.namespace(f"n-{uuid.uuid4().hex[:8]}")


def test_a_user_may_do_what_rbac_grants_and_no_more(
    control_plane: ControlPlane, namespace: str
) -> None:
    jane = control_plane.user("jane", "developers")
    with pytest.raises(CommandFailed, match='User "jane" cannot list resource "pods"'):
        jane.kubectl("get", "pods", "-n", namespace)
    control_plane.admin.kubectl(
        "create", "rolebinding", "developers", "-n", namespace,
        "--clusterrole=view", "--group=developers",
    )  # fmt: skip
    assert jane.get("pods", "-n", namespace)["items"] == []


def test_a_service_account_is_known_by_its_token(
    control_plane: ControlPlane, namespace: str
) -> None:
    trainer = control_plane.service_account(namespace, "default")
    assert trainer.token is not None
    assert f"system:serviceaccount:{namespace}:default" in trainer.kubectl("auth", "whoami")


def test_a_namespace_refuses_what_pod_security_forbids(control_plane: ControlPlane) -> None:
    name = f"n-{uuid.uuid4().hex[:8]}"
    control_plane.namespace(name, {"pod-security.kubernetes.io/enforce": "restricted"})
    with pytest.raises(CommandFailed, match='violates PodSecurity "restricted:latest"'):
        control_plane.admin.kubectl("run", "root", "-n", name, "--image=any")


def test_objects_outlive_a_killed_api_server(control_plane: ControlPlane, namespace: str) -> None:
    server = control_plane.components["kube-apiserver"]
    server.kill()
    with pytest.raises(CommandFailed, match="refused"):
        control_plane.admin.kubectl("get", "namespace", namespace)
    server.start()
    assert control_plane.admin.get("namespace", namespace)["metadata"]["name"] == namespace


def test_a_finished_owner_takes_its_children_along(
    control_plane: ControlPlane, namespace: str
) -> None:
    admin = control_plane.admin
    admin.kubectl("create", "job", "trainer", "-n", namespace, "--image=any")
    admin.kubectl("wait", "job/trainer", "-n", namespace, "--for=jsonpath={.status.active}=1")
    admin.kubectl("delete", "job", "trainer", "-n", namespace)
    admin.kubectl("wait", "pods", "--all", "-n", namespace, "--for=delete", "--timeout=60s")
