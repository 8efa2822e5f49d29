"""Events on a real API server, by a user who may create and patch them and nothing else."""

from __future__ import annotations

import pytest
from scripted_api import on_loop

from perdure_operator.cluster import events
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.connection import from_kubeconfig


@pytest.fixture
def pod(control_plane, namespace):
    """A pod that something can be said of."""
    spec = {"containers": [{"name": "c", "image": "i"}]}
    control_plane.admin.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": "p"},
            "spec": spec,
        }
    )
    return control_plane.admin.get("pod", "p", "-n", namespace)


@pytest.fixture
def recorder(control_plane, namespace):
    """The kubeconfig of a user with the operator's rights on events."""
    of = ("-n", namespace)
    rights = ("--verb=create,patch", "--resource=events.events.k8s.io")
    control_plane.admin.kubectl("create", "serviceaccount", "recorder", *of)
    control_plane.admin.kubectl("create", "role", "recorder", *rights, *of)
    binding = ("--role=recorder", f"--serviceaccount={namespace}:recorder")
    control_plane.admin.kubectl("create", "rolebinding", "recorder", *binding, *of)
    return str(control_plane.service_account(namespace, "recorder").kubeconfig)


@on_loop
async def test_events_are_seen_by_kubectl_and_counted(control_plane, namespace, pod, recorder):
    async with Api(from_kubeconfig(recorder)) as api:
        for message in ("one", "two", "two", "two"):
            await events.emit(
                api, pod, type="Warning", reason="Tried", message=message, action="Trying"
            )
    found = control_plane.admin.get("events.events.k8s.io", "-n", namespace)["items"]
    ours = {e["note"]: e for e in found if e.get("reportingController") == events.CONTROLLER}
    assert ours.keys() == {"one", "two"}
    assert "series" not in ours["one"]
    assert ours["two"]["series"]["count"] == 3
    told = control_plane.admin.kubectl("describe", "pod", "p", "-n", namespace)
    assert "Warning  Tried" in told
    assert "two" in told


@on_loop
async def test_without_rights_nothing_is_raised(control_plane, namespace, pod, caplog):
    control_plane.admin.kubectl("create", "serviceaccount", "nobody", "-n", namespace)
    nobody = str(control_plane.service_account(namespace, "nobody").kubeconfig)
    async with Api(from_kubeconfig(nobody)) as api:
        await events.emit(api, pod, type="Normal", reason="Tried", message="m", action="Trying")
    assert "cannot create resource" in caplog.text
