"""The digits example on real nodes: evicted, deleted, drained, and in the end bit for bit what an
undisturbed run gives.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cluster.processes import wait_for
from ground import TRAINING, Ground
from lineages import writers_in_order
from training import Training, Watch

ROOT = Path(__file__).parents[2]
NAME = "digits"  # the seed follows from namespace and name, so both runs must have the same
COLUMNS = ",".join(
    [
        "NAME:.metadata.name",
        "PHASE:.status.phase",
        "STEP:.status.progress.step",
        "RETRIES:.status.retries.total",
        "CHECKPOINT:.status.checkpoint.time",
    ]
)


@pytest.fixture(scope="module")
def undisturbed(ground: Ground) -> str:
    """The digest of a run that nobody disturbed."""
    with ground.operator_pod():
        training = start(ground, "undisturbed")
        status = training.wait_end()
        assert status["retries"]["total"] == 0
        ground.remove(training)
    return str(status["result"]["digest"])


def start(ground: Ground, run: str) -> Training:
    """Apply the example's own manifest, with the image and the store of this cluster."""
    spec = yaml.safe_load((ROOT / "deploy/examples/digits/job.yaml").read_text())["spec"]
    spec["run"] = run
    spec["image"] = ground.digits_image
    spec["imagePullPolicy"] = "Never"
    spec["checkpoint"] |= {"store": ground.store, "credentialsSecret": ground.secret}
    training = Training(ground.admin, TRAINING, NAME)
    training.apply(spec)
    return training


def rows(log: Path) -> list[list[str]]:
    """The rows of `kubectl get tj -w` about this job: phase, step, retries, checkpoint."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [line[1:] for line in lines if line[0] == NAME]


def is_true_all_along(log: Path) -> None:
    """No count goes back, no terminal phase is left, and no checkpoint is taken back."""
    seen = rows(log)
    phases = [row[0] for row in seen if row[0] != "<none>"]
    assert set(phases) <= {"Pending", "Running", "Succeeded"}, phases
    assert "Succeeded" not in phases[: phases.index("Succeeded")]
    assert set(phases[phases.index("Succeeded") :]) == {"Succeeded"}
    retries = [int(row[2]) for row in seen if row[2] != "<none>"]
    assert retries == sorted(retries)
    checkpoints = [row[3] for row in seen if row[3] != "<none>"]
    assert checkpoints == sorted(checkpoints)
    steps = [int(row[1]) for row in seen if row[1] != "<none>"]
    assert len(set(steps)) > 5, f"the step hardly ever changed: {steps}"


def test_evicted_deleted_and_drained_it_ends_as_if_nothing_had_been(ground, undisturbed, tmp_path):
    log = tmp_path / "watch.log"
    columns = f"custom-columns={COLUMNS}"
    with (
        ground.operator_pod(),
        Watch(ground.admin, log, "tj", "-n", TRAINING, "-o", columns),
    ):
        training = start(ground, "disturbed")
        for disturb in (
            training.evict,
            training.evict,
            training.force_delete,
            ground.drain_node_of(training),
        ):
            training.wait_steps(15)
            disturb(training.running_pod())
        status = training.wait_end()
        ground.remove(training)
    assert status["phase"] == "Succeeded", status
    assert status["result"]["digest"] == undisturbed
    assert status["retries"]["preemption"] == status["retries"]["total"] == 4
    assert status["attempt"] == 5
    assert status["progress"]["step"] == status["checkpoint"]["step"] == status["result"]["step"]
    is_true_all_along(log)
    print(log.read_text())


def test_with_the_operator_killed_the_pods_resume_and_it_catches_up(ground, undisturbed, tmp_path):
    operator = ground.operator_process(tmp_path)
    with operator:
        training = start(ground, "without-operator")
        training.wait_steps(15)
        operator.kill()
        known, pod = training.status, training.running_pod()
        for _ in range(2):
            training.evict(pod)
            pod = training.next_running_pod(pod)
            wait_for(f"{pod} to have trained", lambda pod=pod: "loss:" in ground.logs(pod), 180)
        assert training.status == known, "nobody was there to write a status"
        operator.start()
        status = training.wait_end()
    ground.remove(training)
    assert status["phase"] == "Succeeded", status
    assert status["result"]["digest"] == undisturbed
    assert status["retries"]["preemption"] == 2
    assert status["attempt"] == 1, "the Job controller alone has brought it through"
    order = writers_in_order(ground.s3, f"{TRAINING}/{NAME}/without-operator")
    assert order.fenced_writes == 0
    assert order.starts == 3
