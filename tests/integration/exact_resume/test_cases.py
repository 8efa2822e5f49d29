"""Models, steps and callbacks of users' own: killed and noticed, and the result is the undisturbed one."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

from perdure.contract.exits import ExitCode

CASES = [
    "steps_per_execution",
    "two_optimizers",
    "plain_variable",
    "vector_metric",
    "layer_of_validation",
    "opens_a_file",
    "train_function_made_anew",
    "everything_of_keras",
    "child_processes",
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_case(nursery: Nursery, tmp_path: Path, case: str) -> None:
    undisturbed = Job(nursery, tmp_path, "cases.py", [case], run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "cases.py", [case], run="disturbed")
    job.kill(signal.SIGTERM, after=2)
    job.kill(signal.SIGTERM, after=3)
    job.kill(signal.SIGKILL, after=2, also={"PERDURE_EVERY": "1 steps"})
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    steps = 10 * 4
    assert undisturbed.steps_trained == steps
    assert undisturbed.attempts[0].status.step == job.attempts[-1].status.step == steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("distributed", "Received: CentralStorageStrategy"),
        ("compiled_anew", "Compile between two calls of fit"),
    ],
)
def test_refused(nursery: Nursery, tmp_path: Path, case: str, said: str) -> None:
    ended = Job(nursery, tmp_path, "cases.py", [case]).attempt()
    assert ended.code == ExitCode.REFUSED, ended.output
    assert said in ended.ending.message
