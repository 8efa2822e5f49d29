"""The reconcile in a small world in which anything may happen at any time: random walks by a seed.

`pytest --walks 5000` walks further than CI does.
"""

from __future__ import annotations

import json
import random

import pytest
from small_world.api_server import ApiServer
from small_world.controllers import JobController, collect_garbage
from small_world.kubelet import Kubelet
from small_world.operators import NAME, Operator
from small_world.rules import TERMINAL, Rules

from perdure_operator.cluster.resources import JOBS, PODS, TRAINING_JOBS

SPEC = {
    "image": "digits:1",
    "command": ["python", "train.py"],
    "checkpoint": {"store": "s3://bucket/prefix"},
    "retries": {"failures": 10, "infrastructure": 50, "noProgress": 1000},
}


class World:
    """One TrainingJob, and all who do something to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.api = ApiServer()
        metadata = {"name": NAME, "annotations": {}}
        self.api.create(TRAINING_JOBS, {"metadata": metadata, "spec": SPEC})
        self.controller = JobController(self.api, self.chance)
        self.kubelet = Kubelet(self.api, self.chance)
        self.operators = [self.new_operator()]
        self.rules = Rules(self.api)
        self.requests = 0

    def new_operator(self) -> Operator:
        return Operator(self.api, self.kubelet, self.chance)

    @property
    def status(self):
        return self.api.get(TRAINING_JOBS, NAME).get("status", {})

    def step(self) -> None:
        """One thing happens."""
        self.chance.choices(*zip(*self.HAPPENS.items(), strict=True))[0](self)
        self.rules.check()

    def time_passes(self) -> None:
        self.api.now += self.chance.choice([0.1, 1, 1, 5, 20])

    def operator_works(self) -> None:
        if self.operators:
            self.chance.choice(self.operators).go_on()

    def operator_hears(self) -> None:
        if self.operators:
            operator = self.chance.choice(self.operators)
            self.chance.choice(list(operator.caches.values())).hear(self.chance.randint(1, 5))

    def operator_polls(self) -> None:
        for operator in self.operators:
            operator.reports.poll()

    def operator_dies(self) -> None:
        if self.operators:
            self.operators.pop(self.chance.randrange(len(self.operators))).kill()

    def operator_begins(self) -> None:
        """At most two at once: the old one may only have been slow."""
        if len(self.operators) < 2:
            self.operators.append(self.new_operator())

    def controllers_act(self) -> None:
        self.controller.act(is_behind=self.chance.random() < 0.2)
        collect_garbage(self.api)

    def trainers_act(self) -> None:
        self.kubelet.act()

    def change(self, **spec) -> None:
        self.api.patch(TRAINING_JOBS, NAME, {"spec": spec})

    def user_suspends(self) -> None:
        self.change(suspend=True)

    def user_resumes(self) -> None:
        self.change(suspend=False)

    def user_changes_the_program(self) -> None:
        self.change(args=[str(self.chance.random())])

    def user_asks(self) -> None:
        self.requests += 1
        text = json.dumps({"id": self.requests, "verb": "checkpoint"})
        text = self.chance.choice([text, "checkpoint!"])
        self.api.patch(
            TRAINING_JOBS, NAME, {"metadata": {"annotations": {"perdure.dev/request": text}}}
        )

    def user_begins_another_run(self) -> None:
        self.change(run=str(self.chance.randint(1, 9)))

    def some_pod(self):
        pods = self.api.all(PODS)
        return self.chance.choice(pods) if pods else None

    def pod_is_evicted(self) -> None:
        if pod := self.some_pod():
            condition = {"type": "DisruptionTarget", "status": "True"}
            name = pod["metadata"]["name"]
            self.api.patch(PODS, name, {"status": {"conditions": [condition]}})
            self.api.delete(PODS, name)

    def pod_is_deleted(self) -> None:
        if pod := self.some_pod():
            self.api.delete(PODS, pod["metadata"]["name"])

    def pod_is_deleted_by_force(self) -> None:
        """Its process runs on for a while, and nobody hears of it."""
        if pod := self.some_pod():
            self.kubelet.unreachable.add(pod["metadata"]["uid"])
            self.api.remove(PODS, pod["metadata"]["name"])

    def node_is_lost(self) -> None:
        """The pod is told to go and nobody answers; later it is taken out of the API."""
        if pod := self.some_pod():
            self.kubelet.unreachable.add(pod["metadata"]["uid"])
            self.api.delete(PODS, pod["metadata"]["name"])

    def node_comes_back(self) -> None:
        self.kubelet.unreachable.clear()

    def job_is_deleted(self) -> None:
        if jobs := self.api.all(JOBS):
            self.api.delete(JOBS, self.chance.choice(jobs)["metadata"]["name"])

    HAPPENS = {
        time_passes: 10,
        operator_works: 60,
        operator_hears: 60,
        operator_polls: 10,
        operator_dies: 1,
        operator_begins: 2,
        controllers_act: 15,
        trainers_act: 15,
        user_suspends: 0.7,
        user_resumes: 1.4,
        user_changes_the_program: 0.5,
        user_asks: 0.5,
        user_begins_another_run: 0.1,
        pod_is_evicted: 1,
        pod_is_deleted: 0.5,
        pod_is_deleted_by_force: 0.5,
        node_is_lost: 0.3,
        node_comes_back: 0.5,
        job_is_deleted: 0.2,
    }

    def calm_down(self) -> None:
        """From now on only the cluster's own parts do anything, and one operator."""
        for operator in self.operators:
            operator.kill()
        self.operators = [self.new_operator()]
        self.operators[0].client.is_lossy = False
        self.kubelet.unreachable.clear()

    def quiet_step(self) -> None:
        self.controller.act()
        collect_garbage(self.api)
        self.kubelet.act()
        operator = self.operators[0]
        operator.hear_all()
        while operator.look() == 0:
            operator.hear_all()
            self.rules.check()
        self.rules.check()
        self.api.now += 5

    def settle(self) -> None:
        """Until nothing is left to happen."""
        for _ in range(2000):
            self.quiet_step()
            running = self.kubelet.processes or any(
                p["status"]["phase"] == "Pending" for p in self.api.all(PODS)
            )
            if self.status["phase"] in {*TERMINAL, "Suspended"} and not running:
                return
        raise AssertionError(f"no end in sight: {self.status}")


@pytest.fixture
def world(request, monkeypatch):
    world = World(request.param)
    monkeypatch.setattr("time.time", lambda: world.api.now)
    return world


def pytest_generate_tests(metafunc):
    if "world" in metafunc.fixturenames:
        walks = metafunc.config.getoption("--walks")
        metafunc.parametrize("world", range(walks), indirect=True)


def is_quiet(job):
    """Whether the Job controller makes no further pod for it."""
    return bool(job["spec"].get("suspend") or job.get("status", {}).get("conditions"))


def test_whatever_happens_the_job_succeeds_in_the_end(world):
    for _ in range(800):
        world.step()
    world.calm_down()
    world.settle()
    assert world.status["phase"] in {"Suspended", "Succeeded"}, world.status
    world.user_resumes()
    world.settle()
    status = world.status
    assert status["phase"] == "Succeeded", status
    assert status["run"] == world.api.get(TRAINING_JOBS, NAME)["spec"].get("run", "1")
    assert world.kubelet.lineages[status["run"]].is_finished
    assert all(is_quiet(job) for job in world.api.all(JOBS))
    writes = len(world.operators[0].client.writes)
    for _ in range(30):
        world.quiet_step()
    assert len(world.operators[0].client.writes) == writes


def statuses(world):
    return [job["status"] for _, job in world.api.history[TRAINING_JOBS] if "status" in job]


def look_on(world, operator, seconds):
    """The operator looks while nothing happens but time."""
    operator.client.is_lossy = False
    for _ in range(seconds // 5):
        operator.hear_all()
        while operator.look() == 0:
            operator.hear_all()
        world.api.now += 5


def test_nothing_is_said_twice_and_nothing_written_while_nothing_happens(world):
    for _ in range(world.chance.randint(1, 300)):
        world.step()
    world.calm_down()
    operator = world.operators[0]
    already = len(statuses(world))
    look_on(world, operator, 1000)
    said = [json.dumps(status, sort_keys=True) for status in statuses(world)[already:]]
    assert len(said) == len(set(said)), said
    writes = len(operator.client.writes)
    look_on(world, operator, 300)
    assert operator.client.writes[writes:] == []


def test_an_operator_that_begins_unsays_nothing(world):
    for _ in range(world.chance.randint(1, 300)):
        world.step()
    world.calm_down()
    look_on(world, world.operators[0], 1000)
    new = world.new_operator()
    for _ in range(30):
        new.look()
        world.api.now += 5
    assert new.client.writes == []
