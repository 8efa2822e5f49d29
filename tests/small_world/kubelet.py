"""Nodes that run trainers: each process takes over the lineage of its run, and ends when another has."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

from perdure.contract import labels
from perdure.contract.exits import Reason
from perdure.contract.status import Activity, Committed, Ending, Status
from perdure_operator.cluster.errors import NotFound
from perdure_operator.cluster.resources import PODS
from perdure_operator.model.times import epoch, rfc3339
from small_world.api_server import ApiServer, Raw

STEPS = 40


@dataclass
class Lineage:
    """What the store has of a run."""

    records: int = 0
    step: int = 0
    starts: int = 0
    is_finished: bool = False
    holder: str = ""


@dataclass
class Process:
    """A trainer in a pod, as long as it runs."""

    pod: str
    uid: str
    attempt: int
    run: str
    starts: int
    step: int
    trained: int = 0
    checkpoints: int = 0


@dataclass
class Kubelet:
    """All nodes at once. Of pods in `unreachable` nobody hears anything, though they run on."""

    api: ApiServer
    chance: random.Random
    lineages: dict[str, Lineage] = field(default_factory=lambda: defaultdict(Lineage))
    processes: dict[str, Process] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    failures_left: int = 3

    def act(self) -> None:
        for pod in self.api.all(PODS):
            if pod["metadata"]["uid"] not in self.unreachable:
                self._sync(pod)
        for process in list(self.processes.values()):
            self._train(process)

    def _sync(self, pod: Raw) -> None:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        is_deleted = "deletionTimestamp" in pod["metadata"]
        if pod["status"]["phase"] == "Pending" and not is_deleted:
            self._start(pod)
        elif is_deleted and uid not in self.processes:
            self.api.remove(PODS, name)
        elif is_deleted:
            self._terminate(self.processes[uid], epoch(pod["metadata"]["deletionTimestamp"]))

    def _start(self, pod: Raw) -> None:
        metadata = pod["metadata"]
        run = metadata["labels"][labels.RUN_LABEL]
        lineage = self.lineages[run]
        lineage.starts += 1
        lineage.holder = metadata["uid"]
        attempt = int(metadata["labels"][labels.ATTEMPT_LABEL])
        self.processes[metadata["uid"]] = Process(
            metadata["name"], metadata["uid"], attempt, run, lineage.starts, lineage.step
        )
        self._write(metadata["name"], "Running", {"running": {"startedAt": rfc3339(self.api.now)}})

    def _terminate(self, process: Process, end: float) -> None:
        """SIGTERM: most save and say so; some are killed at the end of their grace."""
        if self.api.now > end:
            self.end(process, 137, None)
        elif self.chance.random() < 0.5:
            self._commit(process)
            self.end(process, 75, Reason.PREEMPTED)

    def _train(self, process: Process) -> None:
        lineage = self.lineages[process.run]
        if lineage.is_finished:
            self.end(process, 0, Reason.ALREADY_FINISHED)
        elif lineage.holder != process.uid:
            self.end(process, 75, Reason.FENCED)
        elif process.step >= STEPS:
            self._commit(process)
            lineage.is_finished = True
            self.end(process, 0, Reason.FINISHED)
        elif self.failures_left and self.chance.random() < 0.02:
            self.failures_left -= 1
            self.end(process, 1, self.chance.choice([None, Reason.ERROR]))
        else:
            process.step += 1
            process.trained += 1
            if self.chance.random() < 0.3:
                self._commit(process)

    def _commit(self, process: Process) -> None:
        lineage = self.lineages[process.run]
        if lineage.holder == process.uid and process.step > lineage.step:
            lineage.records += 1
            lineage.step = process.step
            process.checkpoints += 1

    def end(self, process: Process, code: int, reason: Reason | None) -> None:
        """The process has ended; the pod says so, if it and its node are still there."""
        ending = Ending(code, reason, "", "d1" if code == 0 else None) if reason else None
        message = self.report(process, ending).to_termination_message() if ending else "Killed"
        del self.processes[process.uid]
        if process.uid not in self.unreachable:
            word = "Completed" if code == 0 else "Error"
            began = rfc3339(self.api.now)
            state = {"exitCode": code, "reason": word, "message": message, "startedAt": began}
            self._write(process.pod, "Failed" if code else "Succeeded", {"terminated": state})

    def _write(self, pod: str, phase: str, state: Raw) -> None:
        container = {
            "name": labels.CONTAINER,
            "image": "digits:1",
            "imageID": f"digits@sha256:{'a' * 64}",
            "state": state,
        }
        status = {"phase": phase, "containerStatuses": [container], "ended": rfc3339(self.api.now)}
        try:
            self.api.patch(PODS, pod, {"status": status})
        except NotFound:
            assert phase != "Running", "only a pod that is there is started"

    def report(self, process: Process, ending: Ending | None = None) -> Status:
        """What the trainer answers at `GET /status`."""
        lineage = self.lineages[process.run]
        saved = Committed(lineage.records, lineage.step, "2026-01-01T00:00:00Z", 8, "")
        return Status(
            f"team/digits/{process.run}",
            process.attempt,
            pid=1,
            starts=process.starts,
            activity=Activity.TRAINING,
            step=process.step,
            total_steps=STEPS,
            steps_trained=process.trained,
            checkpoints=process.checkpoints,
            checkpoint=saved if lineage.records else None,
            seconds={"Training": float(process.trained)},
            ending=ending,
        )
