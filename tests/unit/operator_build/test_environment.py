"""What a trainer is given follows from the spec."""

from __future__ import annotations

import json

import pytest

from perdure.contract import environment as names
from perdure.contract.environment import Keep
from perdure.contract.interval import Budget, Every
from perdure_operator.build import Attempt, expand, trainer_environment
from perdure_operator.build.environment import seed, threads
from perdure_operator.model import TrainingJob
from perdure_operator.model.job import Metadata
from perdure_operator.model.pod import Resources


def job(**spec: object) -> TrainingJob:
    return TrainingJob.model_validate(
        {
            "apiVersion": "perdure.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "digits"},
            "spec": {"command": ["python", "train.py"], **spec},
        }
    )


def environment(**spec: object) -> dict[str, str]:
    return trainer_environment(job(**spec), Attempt(3, "file:///state", 9001, "/tmp/message"))


def test_environment_of_the_smallest_manifest():
    given = environment()
    assert given.pop(names.PROGRAM)
    assert given == {
        "PERDURE_STORE": "file:///state",
        "PERDURE_JOB": "default/digits/1",
        "PERDURE_EVERY": "auto",
        "PERDURE_KEEP": "last=3",
        "PERDURE_ATTEMPT": "3",
        "PERDURE_SEED": "999948395",
        "PERDURE_THREADS": "4",
        "PERDURE_GRACE": "30",
        "PERDURE_METRICS_PORT": "9001",
        "PERDURE_TERMINATION_LOG": "/tmp/message",
    }


def test_every_variable_is_one_of_the_contract():
    given = environment(**{"continue": True, "callbacks": [{"name": "TerminateOnNaN"}]})
    assert set(given) == names.ALL - {
        names.SSE,
        names.PRICES,
        names.STORE_DEADLINE,
        names.TRAINER,
        names.REQUEST_FILE,
    }


@pytest.mark.parametrize(
    ("interval", "every"),
    [
        ({}, Every()),
        ({"mode": "Steps", "value": 500}, Every("steps", 500)),
        ({"mode": "Seconds", "value": 30}, Every("s", 30)),
        ({"mode": "Epochs", "value": 1}, Every("epochs", 1)),
        ({"minSeconds": 300}, Every(budget=Budget(least_seconds=300))),
        ({"mode": "Auto", "overheadPercent": 7}, Every(budget=Budget(overhead=0.07))),
        ({"bytesPerHour": "1.5Gi"}, Every(budget=Budget(bytes_per_hour=1.5 * 2**30))),
        ({"bytesPerHour": 1000}, Every(budget=Budget(bytes_per_hour=1000))),
        ({"bytesPerHour": "1500m"}, Every(budget=Budget(bytes_per_hour=2))),
        ({"requestsPerHour": 50}, Every(budget=Budget(requests_per_hour=50))),
    ],
)
def test_interval_is_what_the_library_parses(interval, every):
    given = environment(checkpoint={"interval": interval})
    assert Every.parse(given[names.EVERY]) == every


@pytest.mark.parametrize(
    ("keep", "parsed"),
    [
        ({}, Keep(3)),
        ({"last": 5}, Keep(5)),
        ({"best": {"monitor": "val_loss"}}, Keep(3, "val_loss", "min")),
        ({"last": 1, "best": {"monitor": "accuracy", "mode": "max"}}, Keep(1, "accuracy", "max")),
        ({"everySteps": 1000}, Keep(3, every_steps=1000)),
        (
            {"last": 2, "everySteps": 9, "everyHours": 6, "best": {"monitor": "loss"}},
            Keep(2, "loss", "min", every_steps=9, every_hours=6),
        ),
    ],
)
def test_keep_is_what_the_library_parses(keep, parsed):
    assert Keep.parse(environment(checkpoint={"keep": keep})[names.KEEP]) == parsed


def test_callbacks_are_json():
    callback = {"name": "EarlyStopping", "args": {"patience": 3, "baseline": None}}
    assert json.loads(environment(callbacks=[callback])[names.CALLBACKS]) == [callback]


@pytest.mark.parametrize(
    ("resources", "cores"),
    [
        ({}, names.DEFAULT_THREADS),
        ({"limits": {"cpu": 2}}, 2),
        ({"limits": {"cpu": "1500m"}}, 2),
        ({"requests": {"cpu": "100m"}}, 1),
        ({"limits": {"cpu": 4}, "requests": {"cpu": 1}}, 4),
        ({"limits": {"nvidia.com/gpu": 1}}, names.DEFAULT_THREADS),
        ({"limits": {"cpu": 0}}, 1),
    ],
)
def test_threads(resources, cores):
    assert threads(Resources.model_validate(resources)) == cores


def test_seed_is_of_the_name_and_not_of_the_run():
    assert environment(run="1")[names.SEED] == environment(run="2")[names.SEED]
    assert seed(Metadata(name="a")) != seed(Metadata(name="b"))
    assert seed(Metadata(name="a", namespace="x")) != seed(Metadata(name="a", namespace="y"))
    assert all(0 <= seed(Metadata(name=f"job-{n}")) < 2**31 for n in range(200))


@pytest.mark.parametrize(
    ("change", "is_another_program"),
    [
        ({"image": "digits:2"}, True),
        ({"command": ["python", "other.py"]}, True),
        ({"args": ["--epochs", "3"]}, True),
        ({"env": [{"name": "A", "value": "1"}]}, True),
        ({"callbacks": [{"name": "EarlyStopping", "args": {"patience": 3}}]}, True),
        ({"callbacks": []}, False),
        ({"run": "2"}, False),
        ({"retries": {"failures": 9}}, False),
        ({"checkpoint": {"keep": {"last": 9}}}, False),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else "",
)
def test_program(change, is_another_program):
    assert (
        environment(**change)[names.PROGRAM] != environment()[names.PROGRAM]
    ) is is_another_program


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("--level=$(LEVEL)", "--level=3"),
        ("$(LEVEL)$(LEVEL)", "33"),
        ("$(OTHER)", "$(OTHER)"),
        ("$$(LEVEL)", "$(LEVEL)"),
        ("$LEVEL", "$LEVEL"),
    ],
)
def test_expand(text, expanded):
    assert expand(text, {"LEVEL": "3"}) == expanded
