"""What cannot run, on real nodes: each job says what is wrong and what cures it, and none loops.

All jobs are applied at once, because most of them wait; each test looks at one of them.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import go_programs
import pytest
import specs
from ground import RESTRICTED, TRAINING, Ground
from training import Training, Watch

STOPPED = {"count/jobs.batch": "no-jobs", "pods": "no-pods"}
"""What a quota forbids, and the namespace in which it does."""
UNKNOWN_IMAGE = "localhost/perdure/never-built:1"
ROOT_IMAGE = "localhost/perdure/pause-as-root:1"

Spec = dict[str, Any]
_JOBS: dict[str, Callable[[Ground], Spec]] = {}


def job(make: Callable[[Ground], Spec]) -> Callable[[Ground], Spec]:
    """One of the jobs that are applied; its name is the function's."""
    _JOBS[make.__name__.replace("_", "-")] = make
    return make


@job
def image_without_perdure(ground: Ground) -> Spec:
    """The distribution's own Python, which is all that a base image has."""
    return specs.of_command(ground, "/usr/bin/python3", "-c", "import perdure")


@job
def command_not_in_the_image(ground: Ground) -> Spec:
    return specs.of_command(ground, "pyhton", "train.py")


@job
def image_not_there(ground: Ground) -> Spec:
    spec = specs.of_program(ground, "stand_in", "finish")
    return spec | {"image": UNKNOWN_IMAGE, "imagePullPolicy": "IfNotPresent"}


@job
def image_of_root(ground: Ground) -> Spec:
    return specs.of_command(ground, "/pause") | {"image": ROOT_IMAGE}


@job
def secret_not_there(ground: Ground) -> Spec:
    store = {"store": ground.store, "credentialsSecret": "made-later"}
    return specs.of_program(ground, "stand_in", "finish", checkpoint=store)


@job
def exit_75_of_a_stranger(ground: Ground) -> Spec:
    return specs.of_command(ground, "sh", "-c", "exit 75", retries={"failures": 1})


@job
def shell_in_front(ground: Ground) -> Spec:
    return digits_in_a_shell(ground, "python train.py; true")


@job
def shell_that_gives_way(ground: Ground) -> Spec:
    return digits_in_a_shell(ground, "exec python train.py")


def digits_in_a_shell(ground: Ground, script: str) -> Spec:
    return specs.of_command(ground, "sh", "-c", script, resources={"limits": {"cpu": "1"}})


@dataclass(frozen=True)
class Applied:
    """The jobs, and all that was seen of them and of their pods since."""

    ground: Ground
    seen: Watch
    pods: Watch

    def training(self, name: str, namespace: str = TRAINING) -> Training:
        return Training(self.ground.admin, namespace, name)

    def attempts(self, name: str) -> int:
        """How many pods were ever made for a job."""
        uids = {
            pod["metadata"]["uid"]
            for pod in self.pods.documents()
            if pod["metadata"]["labels"].get("perdure.dev/job") == name
        }
        return len(uids)

    def statuses(self, name: str) -> list[dict[str, Any]]:
        """All statuses that a job has had."""
        return [
            document.get("status", {})
            for document in self.seen.documents()
            if document["metadata"]["name"] == name
        ]

    def said(self, name: str, kind: str) -> list[str]:
        """The messages of a condition that is gone once the job has ended."""
        return [
            condition["message"]
            for status in self.statuses(name)
            for condition in status.get("conditions", ())
            if condition["type"] == kind
        ]


@pytest.fixture(scope="module")
def applied(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    folder = tmp_path_factory.mktemp("bad-input")
    load_root_image(ground, folder)
    for resource, namespace in STOPPED.items():
        ground.cluster.control_plane.namespace(namespace, RESTRICTED)
        ground.admin.kubectl("create", "quota", "none", f"--hard={resource}=0", "-n", namespace)
    with (
        ground.operator_process(folder),
        Watch(ground.admin, folder / "jobs", "tj", "-n", TRAINING, "-o", "json") as seen,
        Watch(ground.admin, folder / "pods", "pods", "-n", TRAINING, "-o", "json") as pods,
    ):
        jobs = Applied(ground, seen, pods)
        for name, make in _JOBS.items():
            jobs.training(name).apply(make(ground))
        for namespace in STOPPED.values():
            spec = specs.of_command(ground, "true") | {"checkpoint": {"store": ground.store}}
            jobs.training(namespace, namespace).apply(spec)
        yield jobs
        for name in _JOBS:
            ground.remove(jobs.training(name))


def load_root_image(ground: Ground, folder: Path) -> None:
    """The image `pause` without a USER."""

    def buildah(*arguments: str) -> str:
        command = ["buildah", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    container = buildah("from", "scratch")
    buildah("copy", container, str(go_programs.program("pause")), "/pause")
    image = buildah("commit", "--quiet", "--rm", container)
    archive = folder / "root.tar"
    buildah("push", image, f"docker-archive:{archive}:{ROOT_IMAGE}")
    buildah("rmi", image)
    ground.cluster.load_image(archive)


def reason_is(reason: str) -> Callable[[dict[str, Any]], bool]:
    return lambda status: status.get("reason") == reason


def test_an_image_without_perdure_fails_at_once(applied):
    status = applied.training("image-without-perdure").wait_end()
    assert (status["phase"], status["reason"]) == ("Failed", "PerdureMissing")
    assert "pip install perdure" in status["message"]
    assert status["attempt"] == 1


def test_a_command_that_is_not_in_the_image_fails_at_once(applied):
    status = applied.training("command-not-in-the-image").wait_end()
    assert (status["phase"], status["reason"]) == ("Failed", "CommandNotStarted")
    assert "spec.command" in status["message"]
    assert "pyhton" in status["message"]
    assert status["attempt"] == 1


def test_an_exit_code_of_ours_from_a_stranger_is_its_failure(applied):
    training = applied.training("exit-75-of-a-stranger")
    status = training.wait_end()
    assert (status["phase"], status["reason"]) == ("Failed", "TooManyFailures")
    assert "spec.retries.failures is 1" in status["message"]
    assert status["retries"] == {
        "preemption": 0, "infrastructure": 0, "failure": 2, "divergence": 0, "noProgress": 2,
        "total": 2,
    }  # fmt: skip
    assert status["attempt"] == 2
    assert any("nextAttemptTime" in status for status in applied.statuses(training.name))


def test_an_image_that_cannot_be_pulled_is_named_and_another_one_runs(applied, ground):
    training = applied.training("image-not-there")
    status = training.wait("say ImageNotPulled", reason_is("ImageNotPulled"))
    assert UNKNOWN_IMAGE in status["message"]
    assert "spec.imagePullSecrets" in status["message"]
    training.patch(image=ground.digits_image)
    status = training.wait_end()
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)
    assert status["retries"]["total"] == 0  # nothing ever ran


def test_an_image_that_must_be_root_is_named_and_runs_as_another_user(applied):
    training = applied.training("image-of-root")
    status = training.wait("say ImageNeedsRoot", reason_is("ImageNeedsRoot"))
    assert "spec.runAsUser" in status["message"]
    training.patch(runAsUser=1000)
    status = training.wait("run", lambda status: status["phase"] == "Running")
    assert status["attempt"] == 2
    assert status["retries"]["total"] == 0


def test_a_missing_secret_is_named_and_waited_for(applied, ground):
    training = applied.training("secret-not-there")
    status = training.wait("say SecretMissing", reason_is("SecretMissing"))
    assert "made-later" in status["message"]
    entries = [f"--from-literal={name}={value}" for name, value in ground.s3.environment.items()]
    ground.admin.kubectl("create", "secret", "generic", "made-later", "-n", TRAINING, *entries)
    status = training.wait_end()
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)


def test_a_shell_that_keeps_the_signal_is_named(applied):
    assert applied.training("shell-in-front").wait_end()["phase"] == "Succeeded"
    messages = applied.said("shell-in-front", "SignalsSwallowed")
    assert messages
    assert "`exec python train.py" in messages[0]


def test_a_shell_that_gives_way_is_none_to_warn_of(applied):
    status = applied.training("shell-that-gives-way").wait_end()
    assert status["phase"] == "Succeeded"

    assert applied.said("shell-that-gives-way", "SignalsSwallowed") == []


@pytest.mark.parametrize(
    ("namespace", "reason"), [("no-jobs", "JobRefused"), ("no-pods", "PodNotCreated")]
)
def test_a_quota_is_named_and_waited_for(applied, ground, namespace, reason):
    training = applied.training(namespace, namespace)
    status = training.wait(f"say {reason}", reason_is(reason))
    assert "quota" in status["message"]
    assert status["phase"] == "Pending"
    ground.admin.kubectl("delete", "quota", "none", "-n", namespace)
    status = training.wait_end()
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)


def test_a_field_that_the_client_let_pass_is_named(applied, ground):
    spec = specs.of_command(ground, "true") | {"imagePullSecret": [{"name": "registry"}]}
    document = {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "unknown-field", "namespace": TRAINING},
        "spec": spec,
    }
    ground.admin.kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps(document))
    training = applied.training("unknown-field")
    training.wait("warn", lambda _: training.condition("FieldsIgnored") is not None)
    message = training.condition("FieldsIgnored")["message"]
    assert "imagePullSecret" in message
    assert "Did you mean 'imagePullSecrets'" in message
    ground.remove(training)


def test_none_of_them_loops(applied):
    """Not more pods than attempts that make sense, though time passes."""
    most = {
        "image-without-perdure": 1,
        "command-not-in-the-image": 1,
        "exit-75-of-a-stranger": 2,
        "image-not-there": 2,
        "image-of-root": 2,
        "secret-not-there": 1,
        "shell-in-front": 1,
        "shell-that-gives-way": 1,
    }
    time.sleep(5)
    assert _JOBS.keys() == most.keys()
    attempts = {name: applied.attempts(name) for name in _JOBS}
    assert {name: many for name, many in attempts.items() if many > most[name]} == {}
