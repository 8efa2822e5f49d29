"""What keeps a pod from running, in the words of the scheduler, the kubelet and containerd."""

from __future__ import annotations

from typing import Any

import pytest
from looks import NOW

from perdure_operator.cluster.problems import pod_problem
from perdure_operator.model.times import rfc3339

PULL = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/digits:1": '
    "not found"
)
NO_GPU = (
    "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. no new claims to deallocate, "
    "preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."
)
NO_NODE = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
AS_ROOT = (
    'container has runAsNonRoot and image will run as root (pod: "digits-1-0-x_team(1)", '
    "container: trainer)"
)
NAMED_USER = (
    "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is "
    'non-root (pod: "digits-1-0-x_team(1)", container: trainer)'
)


def pod(status: dict[str, Any], age: float = 5) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": "4"}
    image = "registry.example/digits:1"
    container = {"name": "trainer", "image": image, "resources": {"limits": limits}}
    return {
        "metadata": {"name": "digits-1-0-x", "creationTimestamp": rfc3339(NOW - age)},
        "spec": {"containers": [container]},
        "status": {"phase": "Pending", **status},
    }


def unschedulable(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return pod({"conditions": [{**condition, "message": message}]})


def waiting(reason: str, message: str = "", age: float = 5) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    container = {"name": "trainer", "image": "registry.example/digits:1", "state": state}
    return pod({"containerStatuses": [container]}, age)


@pytest.mark.parametrize(
    ("raw", "reason", "cure"),
    [
        (unschedulable(NO_GPU), "Unschedulable", "no node has nvidia.com/gpu: 4 free"),
        (unschedulable(NO_NODE), "Unschedulable", "didn't match Pod's node affinity/selector"),
        (waiting("ErrImagePull", PULL), "ImageNotPulled", "spec.imagePullSecrets"),
        (waiting("ImagePullBackOff", "Back-off pulling image"), "ImageNotPulled", "Check its name"),
        (waiting("InvalidImageName", "couldn't parse"), "ImageNotPulled", "couldn't parse"),
        (waiting("ErrImageNeverPull", "not present"), "ImageNotPulled", "not present"),
        (
            waiting("CreateContainerConfigError", 'secret "s3" not found'),
            "SecretMissing",
            "the Secret s3 is not in this namespace. Create it",
        ),
        (
            waiting("CreateContainerConfigError", 'configmap "c" not found'),
            "ConfigMapMissing",
            "the ConfigMap c",
        ),
        (
            waiting("CreateContainerConfigError", "couldn't find key id in Secret team/s3"),
            "ContainerNotConfigured",
            "couldn't find key id",
        ),
        (waiting("CreateContainerConfigError", AS_ROOT), "ImageNeedsRoot", "Set spec.runAsUser"),
        (waiting("CreateContainerConfigError", NAMED_USER), "ImageNeedsRoot", "numeric USER"),
        (waiting("CreateContainerError", "no space"), "ContainerNotStarted", "no space"),
        (waiting("ContainerCreating", age=60), "ContainerNotCreated", "kubectl describe pod"),
        (waiting("PodInitializing", age=60), "ContainerNotCreated", "init containers"),
    ],
)
def test_problem(raw, reason, cure):
    problem = pod_problem(raw, NOW)
    assert problem is not None
    assert problem.reason == reason
    assert cure in problem.message


@pytest.mark.parametrize(
    "raw",
    [
        pod({}),
        pod({}, age=600),
        waiting("ContainerCreating", age=59),
        pod({"conditions": [{"type": "PodScheduled", "status": "True"}]}),
    ],
)
def test_no_problem(raw):
    assert pod_problem(raw, NOW) is None


def test_the_kubelets_waiting_does_not_change_the_sentence():
    back_off = f'Back-off pulling image "registry.example/digits:1": ErrImagePull: {PULL}'
    first = pod_problem(waiting("ErrImagePull", PULL), NOW)
    assert pod_problem(waiting("ImagePullBackOff", back_off), NOW) == first


def test_the_image_of_an_init_container():
    raw = waiting("PodInitializing")
    state = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    init = {"name": "fetch", "image": "curl:nosuch", "state": state}
    raw["status"]["initContainerStatuses"] = [init]
    problem = pod_problem(raw, NOW)
    assert problem is not None
    assert "the image curl:nosuch of the container fetch" in problem.message


def test_long_messages_are_cut():
    problem = pod_problem(waiting("ErrImagePull", "x" * 10_000), NOW)
    assert problem is not None
    assert len(problem.message) < 700
