"""From a manifest to what is run on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from perdure_operator.local.plan import make_plan, unused
from perdure_operator.model import ManifestError, TrainingJob, load


def job(**spec: object) -> TrainingJob:
    return TrainingJob.model_validate(
        {
            "apiVersion": "perdure.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "digits"},
            "spec": {"command": ["python", "train.py"], **spec},
        }
    )


@pytest.fixture
def make(tmp_path, monkeypatch):
    """The plan of a job whose manifest is in a folder with a `src` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job/src").mkdir(parents=True)

    def make_(inherited: dict[str, str] | None = None, **spec: object):
        return make_plan(job(**spec), Path("job/job.yaml"), inherited or {"PATH": os.defpath})

    return make_


def environment(plan) -> dict[str, str]:
    return plan.environment(3, 9001, Path("/tmp/message"))


def test_store_and_logs_are_where_the_runner_was_started(make, tmp_path):
    plan = make()
    assert plan.store == f"file://{tmp_path}/.perdure"
    assert plan.log(2) == tmp_path / ".perdure/logs/default/digits/1/attempt-2.log"
    assert make(checkpoint={"store": "s3://bucket/x"}).store == "s3://bucket/x"


@pytest.mark.parametrize(("given", "directory"), [(None, "job"), ("src", "job/src"), ("/", "/")])
def test_directory_is_relative_to_the_manifest(make, tmp_path, given, directory):
    assert make(workingDir=given).directory == (tmp_path / directory).resolve()


def test_python_is_the_runners(make):
    given = environment(make({"PATH": "/usr/bin"}))
    assert given["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin"]


def test_variables_of_the_shell_and_of_the_manifest(make):
    shell = {
        "PATH": os.defpath,
        "AWS_PROFILE": "mine",
        "LEVEL": "0",
        "PERDURE_SEED": "1",
        "PERDURE_CONTINUE": "true",
        "PERDURE_STORE_DEADLINE": "9",
        "PERDURE_SSE": "AES256",
        "PERDURE_PRICES": "write=5",
    }
    env = [{"name": "LEVEL", "value": "1"}, {"name": "TWICE", "value": "$(LEVEL)$(LEVEL)"}]
    given = environment(make(shell, env=env))
    assert (given["AWS_PROFILE"], given["LEVEL"], given["TWICE"]) == ("mine", "1", "11")
    assert (given["PERDURE_STORE_DEADLINE"], given["PERDURE_SSE"]) == ("9", "AES256")
    assert given["PERDURE_PRICES"] == "write=5"
    assert given["PERDURE_SEED"] != "1"
    assert "PERDURE_CONTINUE" not in given


def test_sets_have_one_order_in_all_attempts(make):
    """Python draws the order of a set of strings anew in every process, unless it is told a seed."""
    plan = make()
    told = plan.environment(1, 9001, Path("/tmp/message"))["PYTHONHASHSEED"]
    assert told == environment(plan)["PYTHONHASHSEED"] == environment(plan)["PERDURE_SEED"]
    env = [{"name": "PYTHONHASHSEED", "value": "7"}]
    assert environment(make(env=env))["PYTHONHASHSEED"] == "7"
    assert environment(make({"PATH": os.defpath, "PYTHONHASHSEED": "5"}))["PYTHONHASHSEED"] == "5"


def test_callbacks_are_checked_before_anything_starts(make, tmp_path):
    (tmp_path / "job/src/train.py").write_text("def halve(epoch): ...")
    scheduler = {"name": "LearningRateScheduler", "args": {"schedule": "train:halv"}}
    with pytest.raises(ManifestError) as caught:
        make(workingDir="src", callbacks=[scheduler])
    assert caught.value.problems == [
        "spec.callbacks[0].args.schedule: expected a name that train.py defines. "
        "Received: 'train:halv'. Did you mean 'halve'?"
    ]


def test_command_is_expanded(make):
    env = [{"name": "LEVEL", "value": "1"}]
    plan = make(env=env, args=["--level=$(LEVEL)", "$$(LEVEL)", "$(OTHER)"])
    assert plan.command() == ["python", "train.py", "--level=1", "$(LEVEL)", "$(OTHER)"]


def test_program_below_the_working_directory(make, tmp_path):
    program = tmp_path / "job/src/train.sh"
    with pytest.raises(ManifestError, match=r"spec\.command\[0\]"):
        make(command=["./train.sh"], workingDir="src")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert make(command=["./train.sh"], workingDir="src").find_program() == str(program)


def test_runs_have_logs_of_their_own_and_numbers_go_on(make):
    plan = make()
    for name in ("attempt-1.log", "attempt-12.log", "attempt-x.log"):
        plan.logs.mkdir(parents=True, exist_ok=True)
        (plan.logs / name).touch()
    assert (plan.first_attempt, plan.named("2").first_attempt) == (13, 1)


def test_unused_fields_are_named():
    full = load(Path(__file__).parents[2] / "manifests/good/full.yaml")
    fields = unused(full)
    assert fields[:2] == ["spec.image", "spec.imagePullPolicy"]
    assert fields[-2:] == [
        "spec.resources (memory, nvidia.com/gpu)",
        "spec.checkpoint.credentialsSecret",
    ]
    assert unused(job()) == []
