"""Nodes: pods really run, are told to end, and leave nothing behind."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from cluster.cluster import Cluster
from cluster.processes import wait_for

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.control_plane.namespace(f"n-{uuid.uuid4().hex[:8]}", RESTRICTED)


def pod(name: str, namespace: str, image: str, *command: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "command": list(command),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        **spec.pop("container", {}),
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": security,
            "containers": [container],
            **spec,
        },
    }


def run_to_end(cluster: Cluster, document: dict[str, Any]) -> str:
    """Run a pod to its end, which must be a success; what it printed."""
    name, namespace = document["metadata"]["name"], document["metadata"]["namespace"]

    def phase() -> str:
        found: str = cluster.admin.get("pod", name, "-n", namespace)["status"]["phase"]
        return found

    cluster.admin.apply(document)
    wait_for(f"the pod {name} to end", lambda: phase() in {"Succeeded", "Failed"})
    printed = cluster.admin.kubectl("logs", name, "-n", namespace)
    assert phase() == "Succeeded", printed
    return printed


def test_an_evicted_pod_is_told_to_end_and_leaves_its_message(
    cluster: Cluster, namespace: str
) -> None:
    admin, program = cluster.admin, (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    open('/dev/termination-log', 'w').write('saved')\n"
        "    sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )  # fmt: skip
    document = pod("evicted", namespace, cluster.image("operator"), "python", "-c", program)
    document["metadata"]["finalizers"] = ["perdure.dev/test"]  # keep it, to see how it ended
    admin.apply(document)
    admin.kubectl("wait", "pod/evicted", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    metadata = {"name": "evicted", "namespace": namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    address = f"/api/v1/namespaces/{namespace}/pods/evicted/eviction"
    admin.kubectl("create", "--raw", address, "-f", "-", stdin=json.dumps(eviction))
    ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
    admin.kubectl("wait", "pod/evicted", "-n", namespace, ended, "--timeout=60s")
    status = admin.get("pod", "evicted", "-n", namespace)["status"]
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["message"]) == (75, "saved")
    patch = '--patch={"metadata":{"finalizers":null}}'
    admin.kubectl("patch", "pod", "evicted", "-n", namespace, "--type=merge", patch)


def test_a_pod_reaches_the_api_server_as_its_service_account(
    cluster: Cluster, namespace: str
) -> None:
    program = (
        "import os, ssl, urllib.request as r\n"
        "d = '/var/run/secrets/kubernetes.io/serviceaccount/'\n"
        "host, port = (os.environ[f'KUBERNETES_SERVICE_{n}'] for n in ('HOST', 'PORT'))\n"
        "token = open(d + 'token').read()\n"
        "url = f'https://{host}:{port}/apis'\n"
        "asked = r.Request(url, headers={'Authorization': 'Bearer ' + token})\n"
        "context = ssl.create_default_context(cafile=d + 'ca.crt')\n"
        "print(r.urlopen(asked, context=context).status)\n"
    )
    image = cluster.image("operator")
    assert run_to_end(cluster, pod("asks", namespace, image, "python", "-c", program)) == "200\n"


def test_a_pod_keeps_an_object_in_the_s3_server(cluster: Cluster, namespace: str) -> None:
    bucket = cluster.bucket()
    program = (
        "import boto3\n"
        f"boto3.client('s3').put_object(Bucket={bucket.bucket!r}, Key='k', Body=b'from a pod')\n"
    )
    variables = [{"name": name, "value": value} for name, value in bucket.environment.items()]
    image = cluster.image("operator")
    container = {"env": variables}
    run_to_end(
        cluster, pod("saves", namespace, image, "python", "-c", program, container=container)
    )
    client = bucket.server.client()
    assert client.get_object(Bucket=bucket.bucket, Key="k")["Body"].read() == b"from a pod"
    client.close()


def test_an_extended_resource_is_counted(cluster: Cluster, namespace: str) -> None:
    cluster.node("node-2").patch_capacity({"nvidia.com/gpu": "1"})
    asks = {"container": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}
    image = cluster.image("pause")
    admin = cluster.admin
    admin.apply(pod("first", namespace, image, "/pause", **asks))
    admin.kubectl("wait", "pod/first", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    assert admin.get("pod", "first", "-n", namespace)["spec"]["nodeName"] == "node-2"
    admin.apply(pod("second", namespace, image, "/pause", **asks))
    refused = "--for=condition=PodScheduled=False"
    admin.kubectl("wait", "pod/second", "-n", namespace, refused, "--timeout=60s")
    conditions = admin.get("pod", "second", "-n", namespace)["status"]["conditions"]
    assert "Insufficient nvidia.com/gpu" in conditions[0]["message"]
    admin.kubectl("delete", "pods", "--all", "-n", namespace, "--wait=false")


def test_a_drained_node_is_left_alone(cluster: Cluster, namespace: str) -> None:
    admin = cluster.admin
    image = cluster.image("pause")
    admin.apply(pod("moved", namespace, image, "/pause", nodeName="node-1"))
    admin.kubectl("wait", "pod/moved", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    admin.kubectl("drain", "node-1", "--force", "--ignore-daemonsets", "--timeout=60s")
    admin.apply(pod("next", namespace, image, "/pause"))
    admin.kubectl("wait", "pod/next", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    assert admin.get("pod", "next", "-n", namespace)["spec"]["nodeName"] == "node-2"
    admin.kubectl("uncordon", "node-1")
