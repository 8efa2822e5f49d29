"""Pods as kubelets, the scheduler and the node controller leave them, read for decisions."""

from __future__ import annotations

from typing import Any

import pytest
from looks import NOW, seen
from looks import job as of_attempt

from perdure.contract.exits import Reason
from perdure.contract.status import Ending, Status
from perdure_operator.cluster.pods import read_pod
from perdure_operator.decide.charge import charged_to
from perdure_operator.decide.ended import end_of_attempt
from perdure_operator.model.times import rfc3339

CREATED = rfc3339(NOW - 120)
EARLIER, LATER = rfc3339(NOW - 40), rfc3339(NOW + 20)
IMAGE_ID = "registry.example/digits@sha256:" + "a" * 64


def raw(status: dict[str, Any], deleted: str | None = None, **metadata: Any) -> dict[str, Any]:
    """A pod of attempt 3, in the API server's words."""
    container = {"name": "trainer", "image": "registry.example/digits:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "digits-3-0-x7k2p",
            "namespace": "team",
            "uid": "0c8e",
            "creationTimestamp": CREATED,
            "labels": {"perdure.dev/job": "digits", "perdure.dev/attempt": "3"},
            **({"deletionTimestamp": deleted} if deleted else {}),
            **metadata,
        },
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 30},
        "status": status,
    }


def status_of(state: dict[str, Any], phase: str, **more: Any) -> dict[str, Any]:
    container = {
        "name": "trainer",
        "image": "registry.example/digits:1",
        "imageID": IMAGE_ID,
        "state": state,
        "ready": "running" in state,
        "restartCount": 0,
        "lastState": {},
    }
    return {"phase": phase, "startTime": CREATED, "containerStatuses": [container], **more}


def exited(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    times = {"startedAt": CREATED, "finishedAt": EARLIER}
    end = {"exitCode": code, "reason": reason, "containerID": "containerd://1", **times}
    return {"terminated": {**end, "message": message} if message else end}


def target(reason: str) -> list[dict[str, Any]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m"}]


def word(code: int, reason: Reason) -> str:
    ending = Ending(code, reason, digest="d1")
    return Status("team/digits/1", 3, checkpoints=1, ending=ending).to_termination_message()


RUNNING = {"running": {"startedAt": CREATED}}
SIGTERM = exited(75, message=word(75, Reason.PREEMPTED))
EVICTED_BY_API = status_of(SIGTERM, "Failed", conditions=target("EvictionByEvictionAPI"))
PRESSURE = status_of(
    exited(137),
    "Failed",
    reason="Evicted",
    message="The node was low on resource: memory.",
    conditions=target("TerminationByKubelet"),
)
REJECTED = {
    "phase": "Failed",
    "reason": "NodeAffinity",
    "message": "Pod was rejected: Predicate NodeAffinity failed",
    "startTime": CREATED,
}
NO_ROOM = {
    **REJECTED,
    "reason": "OutOfnvidia.com/gpu",
    "message": "Node didn't have enough resource",
}
LOST_NODE = status_of(RUNNING, "Failed", conditions=target("DeletionByPodGC"))
SHUTDOWN = status_of(exited(137), "Failed", reason="Terminated", message="Pod was terminated")
REBOOTED = status_of(exited(255, "Unknown"), "Failed")
NEVER_FOUND = status_of(
    exited(137, "ContainerStatusUnknown", "The container could not be located"), "Failed"
)
FETCH_FAILED = {
    **status_of({"waiting": {"reason": "PodInitializing"}}, "Failed"),
    "initContainerStatuses": [{"name": "fetch", "image": "curl:1", "state": exited(22)}],
}


@pytest.mark.parametrize(
    ("pod", "counted", "description"),
    [
        pytest.param(raw(EVICTED_BY_API), "preemption", "exited with 75 (Preempted)", id="evicted"),
        pytest.param(raw(PRESSURE), "preemption", "exited with 137", id="node pressure"),
        pytest.param(
            raw(status_of(exited(137), "Failed", conditions=target("PreemptionByScheduler"))),
            "preemption",
            "exited with 137",
            id="preempted by a pod of higher priority",
        ),
        pytest.param(raw(REJECTED), "preemption", "was taken away", id="rejected by the kubelet"),
        pytest.param(raw(NO_ROOM), "preemption", "was taken away", id="the GPU went meanwhile"),
        pytest.param(raw(LOST_NODE), "preemption", "was taken away", id="the node is gone"),
        pytest.param(raw(SHUTDOWN), "preemption", "exited with 137", id="node shut down"),
        pytest.param(raw(REBOOTED), "preemption", "exited with 255 (Unknown)", id="rebooted"),
        pytest.param(
            raw(NEVER_FOUND),
            "preemption",
            "exited with 137 (ContainerStatusUnknown)",
            id="nobody saw the end",
        ),
        pytest.param(
            raw(status_of(exited(137), "Failed"), deleted=EARLIER),
            "preemption",
            "exited with 137",
            id="deleted and killed",
        ),
        pytest.param(
            raw(status_of(RUNNING, "Running"), deleted=EARLIER),
            "preemption",
            "was taken away",
            id="deleted, and its node does not answer",
        ),
        pytest.param(
            raw(status_of(exited(137, "OOMKilled"), "Failed")),
            "failure",
            "exited with 137 (OOMKilled)",
            id="out of memory",
        ),
        pytest.param(
            raw(status_of(exited(128, "StartError", "exec: ..."), "Failed")),
            "failure",
            "exited with 128 (StartError)",
            id="the command is not there",
        ),
        pytest.param(
            raw(FETCH_FAILED),
            "failure",
            "exited with 22 (init container fetch)",
            id="init container",
        ),
        pytest.param(
            raw(status_of(exited(75, message="unrelated"), "Failed")),
            "failure",
            "exited with 75",
            id="75 of another program",
        ),
        pytest.param(
            raw(status_of(exited(1, message="ModuleNotFoundError: ..."), "Failed")),
            "failure",
            "exited with 1",
            id="the end of the log",
        ),
        pytest.param(
            raw(status_of(exited(0, "Completed", word(0, Reason.FINISHED)), "Succeeded")),
            "nothing",
            "exited with 0 (Finished)",
            id="finished",
        ),
    ],
)
def test_ended(pod, counted, description):
    view = read_pod(pod, ours=True, now=NOW)
    assert view.has_ended
    known = seen(of_attempt(3), view, status={"attempt": 3, "endedAttempt": 2})
    end = end_of_attempt(known)
    assert end is not None
    assert (charged_to(end), end.description) == (counted, description)


@pytest.mark.parametrize(
    ("pod", "running", "leaving"),
    [
        (raw({"phase": "Pending"}), False, False),
        (raw(status_of({"waiting": {"reason": "ContainerCreating"}}, "Pending")), False, False),
        (raw(status_of(RUNNING, "Running")), True, False),
        (raw(status_of(RUNNING, "Running"), deleted=LATER), True, True),
        (raw(status_of(RUNNING, "Running"), deleted=rfc3339(NOW - 29)), True, True),
    ],
    ids=["new", "creating", "running", "told to go", "a moment late"],
)
def test_goes_on(pod, running, leaving):
    view = read_pod(pod, ours=True, now=NOW)
    assert (view.has_ended, view.running, view.leaving) == (False, running, leaving)


def test_what_is_read():
    annotations = {"perdure.dev/request": "{}"}
    pod = raw(status_of(RUNNING, "Running"), deleted=LATER, annotations=annotations)
    view = read_pod(pod, ours=False, now=NOW)
    assert (view.name, view.uid, view.attempt, view.ours) == ("digits-3-0-x7k2p", "0c8e", 3, False)
    assert (view.created, view.delete_by) == (NOW - 120, NOW + 20)
    assert (view.image, view.image_id) == ("registry.example/digits:1", IMAGE_ID)
    assert view.request == "{}"


@pytest.mark.parametrize("label", [None, "", "x", "-1", "1.5"])
def test_a_label_that_is_no_attempt(label):
    labels = {} if label is None else {"perdure.dev/attempt": label}
    view = read_pod(raw({"phase": "Pending"}, labels=labels), ours=True, now=NOW)
    assert view.attempt == 0


def test_sidecars_are_not_the_trainer():
    status = status_of(RUNNING, "Running")
    proxy = {"name": "proxy", "image": "p", "imageID": "p", "state": exited(1)}
    status["containerStatuses"].insert(0, proxy)
    view = read_pod(raw(status), ours=True, now=NOW)
    assert (view.running, view.exit) == (True, None)
