"""What a user does to a job under way: suspend, delete, another run, limits of time, requests.

All jobs are applied at once; each test goes on with one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import specs
from cluster.processes import wait_for
from ground import TRAINING, Ground
from training import Training, Watch, step_of

RESUME = 75


def jobs(ground: Ground) -> dict[str, dict[str, Any]]:
    """All jobs, by their names."""
    one_core = {"limits": {"cpu": "1"}}
    return {
        "digits-stopped": specs.of_command(ground, "python", "train.py", resources=one_core),
        "suspended": specs.of_program(ground, "stand_in", "wait,finish"),
        "deleted": specs.of_program(ground, "stand_in", "wait"),
        "run-anew": specs.of_program(ground, "stand_in", "wait"),
        "too-long": specs.of_program(ground, "stand_in", "wait"),
        "short-lived": specs.of_program(ground, "stand_in", "finish", ttlSecondsAfterFinished=2),
        "asked": specs.of_program(ground, "reads_requests"),
    }


@dataclass(frozen=True)
class Applied:
    """The jobs, and all that was seen of their pods since."""

    ground: Ground
    pods: Watch

    def training(self, name: str) -> Training:
        return Training(self.ground.admin, TRAINING, name)

    def exit_codes(self, name: str) -> dict[str, int]:
        """How the trainers of a job ended, by attempt."""
        return {
            pod["metadata"]["labels"]["perdure.dev/attempt"]: end["exitCode"]
            for pod in self.pods.documents()
            if pod["metadata"]["labels"].get("perdure.dev/job") == name
            for container in pod["status"].get("containerStatuses", ())
            if (end := container["state"].get("terminated"))
        }

    def listening(self, name: str) -> str:
        """The pod of a job whose trainer has begun; waits for it."""
        pod = self.training(name).running_pod()
        wait_for(f"{pod} to begin", lambda: bool(self.ground.logs(pod)))
        return pod


@pytest.fixture(scope="module")
def applied(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    folder = tmp_path_factory.mktemp("control")
    with (
        ground.operator_process(folder),
        Watch(ground.admin, folder / "pods", "pods", "-n", TRAINING, "-o", "json") as pods,
    ):
        everything = Applied(ground, pods)
        for name, spec in jobs(ground).items():
            everything.training(name).apply(spec)
        yield everything
        for name in jobs(ground):
            if is_there(ground, "tj", name):
                ground.remove(everything.training(name))


def is_there(ground: Ground, *resource: str) -> bool:
    options = ("-n", TRAINING, "--ignore-not-found", "-o", "name")
    return bool(ground.admin.kubectl("get", *resource, *options))


def children(ground: Ground, name: str) -> list[str]:
    """What there is of a job besides itself."""
    selector = f"perdure.dev/job={name}"
    found = ground.admin.get("jobs,pods", "-n", TRAINING, "-l", selector)["items"]
    return [child["metadata"]["name"] for child in found]


def test_a_suspended_job_saves_gives_its_node_back_and_goes_on(applied):
    training = applied.training("suspended")
    applied.listening("suspended")
    training.patch(suspend=True)
    status = training.wait("be suspended", lambda status: status["phase"] == "Suspended")
    wait_for("no pod of it to run", lambda: not training.pods())
    assert applied.exit_codes("suspended") == {"1": RESUME}
    assert status["checkpoint"]["record"] == 1  # of the last word, after the signal
    training.patch(suspend=False)
    status = training.wait_end()
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)
    assert status["retries"]["total"] == 0


def test_a_deleted_job_saves_and_leaves_nothing(applied, ground):
    pod = applied.listening("deleted")
    ground.admin.kubectl("delete", "tj", "deleted", "-n", TRAINING, "--wait=false")
    wait_for("nothing of it to be left", lambda: not children(ground, "deleted"))
    assert not is_there(ground, "tj", "deleted")
    assert not is_there(ground, "pod", pod)
    assert applied.exit_codes("deleted") == {"1": RESUME}


def test_another_run_ends_the_one_under_way_and_begins_anew(applied):
    training = applied.training("run-anew")
    first = applied.listening("run-anew")
    training.patch(run="2")
    second = training.next_running_pod(first)
    status = training.wait("run again", lambda status: status.get("run") == "2")
    assert applied.exit_codes("run-anew") == {"1": RESUME}
    assert status["attempt"] == 2
    assert status["retries"]["total"] == 0
    assert training.pods()[0]["metadata"]["name"] == second
    assert training.pods()[0]["metadata"]["labels"]["perdure.dev/run"] == "2"


def test_a_job_whose_time_is_over_saves_and_fails(applied):
    training = applied.training("too-long")
    applied.listening("too-long")
    training.patch(activeDeadlineSeconds=1)
    status = training.wait_end()
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert "spec.activeDeadlineSeconds, 1, are over" in status["message"]
    wait_for("no pod of it to run", lambda: not training.pods())
    assert applied.exit_codes("too-long") == {"1": RESUME}
    assert status["checkpoint"]["record"] == 1


def test_a_finished_job_is_deleted_after_its_time_to_live(applied, ground):
    wait_for("it to be deleted", lambda: not is_there(ground, "tj", "short-lived"))
    wait_for("nothing of it to be left", lambda: not children(ground, "short-lived"))
    assert applied.exit_codes("short-lived") == {"1": 0}


def test_a_request_reaches_the_running_pod_and_its_answer_the_status(applied, ground):
    training = applied.training("asked")
    pod = applied.listening("asked")
    assert "began with: None" in ground.logs(pod)
    training.request(id=1, verb="jump")
    training.wait("refuse", lambda _: training.condition("RequestRefused") is not None)
    assert "expected one of checkpoint, stop" in training.condition("RequestRefused")["message"]
    training.request(id=2, verb="stop")
    status = training.wait_end(seconds=180)
    assert (status["phase"], status["reason"]) == ("Stopped", "Stopped")
    assert status["message"] == "as asked"
    assert status["request"] == {"id": 2, "obeyed": True}
    assert training.condition("RequestRefused") is None
    assert '"id": 2' in ground.logs(pod)


def test_a_real_training_stops_with_its_checkpoint(applied):
    training = applied.training("digits-stopped")
    training.wait("train", lambda status: step_of(status) > 0, 300)
    training.request(id=1, verb="stop")
    status = training.wait_end()
    assert (status["phase"], status["reason"]) == ("Stopped", "Stopped")
    assert status["request"] == {"id": 1, "obeyed": True}
    assert status["checkpoint"]["step"] == status["result"]["step"]
    assert status["checkpoint"]["step"] == step_of(status)
    assert (status["attempt"], status["retries"]["total"]) == (1, 0)
