"""Who is started when, on real nodes, with a trainer that only speaks the contract."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from api_proxy import ApiProxy
from cluster.processes import wait_for
from ground import OPERATOR, SYSTEM, TRAINING, Ground
from operator_process import OperatorProcess
from training import Training, Watch

PROGRAM = (Path(__file__).parents[1] / "programs" / "stand_in.py").read_text()


def spec(ground: Ground, attempts: str, **fields: Any) -> dict[str, Any]:
    """A job whose attempts do, one after the other, what `attempts` says."""
    return {
        "image": ground.digits_image,
        "imagePullPolicy": "Never",
        "command": ["python", "-c", PROGRAM, attempts],
        "checkpoint": {"store": ground.store, "credentialsSecret": ground.secret},
        **fields,
    }


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def trainer_times(pods: list[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    """When the trainer of each pod ran, by the kubelet, in the order of their starts."""
    ended = {
        pod["metadata"]["uid"]: container["state"]["terminated"]
        for pod in pods
        for container in pod.get("status", {}).get("containerStatuses", ())
        if "terminated" in container["state"]
    }
    times = [(when(end["startedAt"]), when(end["finishedAt"])) for end in ended.values()]
    return sorted(times)


def test_over_fifty_evictions_no_two_trainers_run_at_once(ground, tmp_path, evictions):
    name = "fifty"
    watched = ("pods", "-n", TRAINING, "-l", f"perdure.dev/job={name}", "-o", "json")
    with (
        ground.operator_process(tmp_path) as operator,
        Watch(ground.admin, tmp_path / "pods", *watched) as watch,
    ):
        training = Training(ground.admin, TRAINING, name)
        training.apply(spec(ground, "wait," * evictions + "finish"))
        evicted = None
        for _ in range(evictions):
            pod = training.next_running_pod(evicted)
            wait_for("the trainer to listen", lambda pod=pod: "process" in ground.logs(pod))
            training.evict(pod)
            evicted = pod
        status = training.wait_end()
        metrics = operator.get("/metrics") or ""
    assert status["phase"] == "Succeeded", status
    assert status["retries"]["preemption"] == evictions
    assert status["attempt"] == evictions + 1
    times = trainer_times(watch.documents())
    assert len(times) == evictions + 1
    overlaps = [
        (before[1], after[0]) for before, after in itertools.pairwise(times) if after[0] < before[1]
    ]
    assert not overlaps
    print(
        "\n".join(line for line in metrics.splitlines() if line.startswith("perdure_replacement"))
    )


class Killed:
    """Kills an operator once, and starts it again a moment later."""

    def __init__(self, operator: OperatorProcess) -> None:
        self._operator = operator
        self.happened = threading.Event()
        self._again = threading.Thread(target=self._start_again)

    def __call__(self) -> None:
        self._operator.kill()
        self.happened.set()
        self._again.start()

    def join(self) -> None:
        """Wait until it runs again."""
        self._again.join()

    def _start_again(self) -> None:
        time.sleep(0.5)
        self._operator.start()


def play(
    ground: Ground,
    name: str,
    folder: Path,
    place: Callable[[ApiProxy, OperatorProcess], Killed | None],
) -> tuple[dict[str, Any], ApiProxy]:
    """A job that is evicted, fails once and then finishes; its last status, and what was written."""
    folder.mkdir()
    access = ground.cluster.control_plane.service_account(SYSTEM, OPERATOR)
    with ApiProxy(access, folder) as proxy:
        operator = OperatorProcess(proxy.access, folder / "operator.log")
        killed = place(proxy, operator)
        training = Training(ground.admin, TRAINING, name)
        with operator:
            training.apply(spec(ground, "wait,fail,finish"))
            pod = training.running_pod()
            wait_for("the trainer to listen", lambda: "process 1" in ground.logs(pod))
            if killed is not None and killed.happened.is_set():
                killed.join()
            training.evict(pod)
            status = training.wait_end()
            assert killed is None or killed.happened.wait(1), "it was not killed"
            if killed is not None:
                killed.join()
    return status, proxy


def end_of(status: dict[str, Any]) -> dict[str, Any]:
    """What must be the same, wherever the operator was killed: three processes, no more, and each end
    counted once. Where it was away for so long that the Job controller started one of them, within an
    attempt, it may not have known the one before, and cannot count what it has never seen.
    """
    assert status["attempt"] <= 3
    status["checkpoint"].pop("uri")  # has the job's name in it
    counted = ("failure", "infrastructure", "divergence")
    counted += ("preemption", "total") if status["attempt"] == 3 else ()
    retries = {kind: status["retries"][kind] for kind in counted}
    return {"retries": retries} | {key: status[key] for key in ("phase", "result", "checkpoint")}


def is_same_end(status: dict[str, Any], clean: dict[str, Any]) -> bool:
    """Whether it ended as the job did whose operator was never killed."""
    end, wanted = end_of(status), dict(clean)
    wanted["retries"] = {kind: clean["retries"][kind] for kind in end["retries"]}
    return end == wanted


def test_killed_anywhere_the_operator_brings_the_job_to_the_same_end(ground, tmp_path, places):
    clean, proxy = play(ground, "never-killed", tmp_path / "clean", lambda *_: None)
    wanted, writes = end_of(clean), len(proxy.writes)
    assert clean["phase"] == "Succeeded"
    assert clean["result"]["digest"] == "after-3"
    assert clean["attempt"] == 3
    everywhere = [(number, side) for number in range(1, writes + 1) for side in ("before", "after")]
    step = max(1, len(everywhere) // places)
    for number, side in everywhere[::step][:places]:

        def place(
            proxy: ApiProxy, operator: OperatorProcess, number: int = number, side: str = side
        ) -> Killed:
            killed = Killed(operator)
            getattr(proxy, side)(number, killed)
            return killed

        name = f"killed-{side}-{number}"
        status, proxy = play(ground, name, tmp_path / name, place)
        assert is_same_end(status, wanted), f"killed {side} write {number}: {status}"
        print(f"killed {side} write {number} ({proxy.writes[number - 1]}): the same end")
