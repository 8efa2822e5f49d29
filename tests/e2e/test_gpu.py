"""Resources that few nodes have: a job that asks for one says so, and goes where it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import specs
from ground import TRAINING, Ground
from training import Training

GPU = "nvidia.com/gpu"
POOL = "perdure.test/pool"
TAINT = "perdure.test/only"


@pytest.fixture(scope="module")
def _operator(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with ground.operator_process(tmp_path_factory.mktemp("gpu")):
        yield


@pytest.fixture
def nodes(ground: Ground, _operator: None) -> Iterator[Ground]:
    """Nodes without a GPU; what a test does to them is undone."""
    _give_gpus(ground, "0", "0")
    yield ground
    _give_gpus(ground, "0", "0")
    ground.admin.kubectl("label", "nodes", "--all", f"{POOL}-")
    for node in ground.cluster.nodes:
        patch = json.dumps({"spec": {"taints": None}})
        ground.admin.kubectl("patch", "node", node.name, "--type=merge", "-p", patch)


def _give_gpus(ground: Ground, first: str, second: str) -> None:
    for node, number in zip(ground.cluster.nodes, (first, second), strict=True):
        node.patch_capacity({GPU: number})


def node_that_trains(training: Training) -> str:
    """The node on which its pod runs; waits for it."""
    training.wait("run", lambda status: status.get("phase") == "Running")
    return training.node_of(training.running_pod())


def test_a_job_waits_for_a_gpu_and_says_so(nodes):
    training = Training(nodes.admin, TRAINING, "wants-a-gpu")
    resources = {"limits": {GPU: "1"}}
    training.apply(specs.of_program(nodes, "stand_in", "wait", resources=resources))
    status = training.wait("wait", lambda status: status.get("reason") == "Unschedulable")
    assert status["phase"] == "Pending"
    assert f"{GPU}: 1" in status["message"]
    assert "spec.tolerations" in status["message"]
    _give_gpus(nodes, "0", "1")
    assert node_that_trains(training) == nodes.cluster.nodes[1].name
    assert training.status["attempt"] == 1
    nodes.remove(training)


def test_a_job_goes_where_its_selector_and_its_tolerations_let_it(nodes):
    node = nodes.cluster.nodes[0].name
    nodes.admin.kubectl("label", "node", node, f"{POOL}=gpu")
    nodes.admin.kubectl("taint", "node", node, f"{TAINT}=gpu:NoSchedule")
    training = Training(nodes.admin, TRAINING, "wants-a-pool")
    training.apply(specs.of_program(nodes, "stand_in", "wait", nodeSelector={POOL: "gpu"}))
    status = training.wait("wait", lambda status: status.get("reason") == "Unschedulable")
    assert "untolerated taint" in status["message"]
    assert "spec.tolerations" in status["message"]
    training.patch(tolerations=[{"key": TAINT, "operator": "Exists", "effect": "NoSchedule"}])
    assert node_that_trains(training) == node
    status = training.status
    assert (status["attempt"], status["retries"]["total"]) == (2, 0)  # the first never began
    nodes.remove(training)
