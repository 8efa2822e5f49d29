"""Loops without fit: killed and noticed at random steps and between them, and nothing is different."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

SEED = 20261122
CASES = ["patience", "lazy", "endless", "py_dataset", "left_early", "several"]


def _end(job: Job) -> str:
    """What the script printed at its end: its own view of its objects."""
    (line,) = [line for line in job.attempts[-1].output.splitlines() if line.startswith("end")]
    return line


def _undisturbed(nursery: Nursery, folder: Path, case: str) -> Job:
    job = Job(nursery, folder, "looped.py", [case], run="undisturbed")
    job.finish()
    return job


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_disturbed_loop_is_the_undisturbed_one(nursery: Nursery, tmp_path: Path, case: str) -> None:
    undisturbed = _undisturbed(nursery, tmp_path, case)
    draw = random.Random(f"{SEED} {case}")
    job = Job(nursery, tmp_path, "looped.py", [case], run="disturbed")
    job.kill(signal.SIGTERM, after=draw.randint(1, 9))
    job.kill(signal.SIGKILL, after=draw.randint(2, 6), also={"PERDURE_EVERY": "1 steps"})
    place = {"KILL_IN": "validation", "PERDURE_EVERY": "2 steps"}
    job.kill(signal.SIGKILL, after=draw.randint(1, 4), also=place)
    job.kill(signal.SIGTERM, after=draw.randint(1, 3))
    job.attempt(KILL_IN="the end", KILL_SIGNAL=str(int(signal.SIGKILL)))
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert _end(job) == _end(undisturbed)
