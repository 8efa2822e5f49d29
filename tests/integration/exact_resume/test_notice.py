"""SIGTERM in every phase: exit code 75 within the grace, nothing lost, the same result."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

from perdure.contract.exits import ExitCode, Reason

GRACE = 6


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(nursery, tmp_path_factory.mktemp("undisturbed"), "phases.py", run="undisturbed")
    job.finish()
    return job


@pytest.mark.slow
@pytest.mark.parametrize(
    "phase", ["compile", "replay", "validation", "epoch end", "script", "evaluate", "predict"]
)
def test_notice_in(nursery: Nursery, tmp_path: Path, undisturbed: Job, phase: str) -> None:
    job = Job(nursery, tmp_path, "phases.py", environ={"PERDURE_GRACE": str(GRACE)})
    if phase == "replay":
        job.kill(15, after=11)
    began = time.monotonic()
    ended = job.attempt(PHASE=phase)
    assert ended.code == ExitCode.RESUME, ended.output
    assert ended.ending.reason == Reason.PREEMPTED
    assert time.monotonic() - began < 20
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert job.steps_trained == undisturbed.steps_trained


@pytest.mark.slow
def test_notice_in_a_step_longer_than_the_grace(
    nursery: Nursery, tmp_path: Path, undisturbed: Job
) -> None:
    """The train thread cannot come by, so what is committed is what is left, and the process goes."""
    job = Job(
        nursery,
        tmp_path,
        "phases.py",
        environ={"PERDURE_GRACE": str(GRACE), "PERDURE_EVERY": "2 steps"},
    )
    began = time.monotonic()
    ended = job.attempt(PHASE="step", STEPS_BEFORE="9")
    assert ended.code == ExitCode.RESUME, ended.output
    assert time.monotonic() - began < 15
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    lost = job.steps_trained - undisturbed.steps_trained
    assert 0 <= lost <= 2
