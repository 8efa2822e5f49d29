"""Three kinds of fits in one script, killed in each and between them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference


def _said(job: Job) -> str:
    """What the script printed at its end: the user's own view of History and weights."""
    lines = job.attempts[-1].output.splitlines()
    return "\n".join(line for line in lines if line.startswith(("losses", "weights")))


@pytest.mark.slow
def test_killed_in_each_fit_and_between(nursery: Nursery, tmp_path: Path) -> None:
    undisturbed = Job(nursery, tmp_path, "fits.py", run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "fits.py", run="killed", environ={"PERDURE_EVERY": "1 steps"})
    for after, between in (
        (7, ""),
        (7, ""),
        (99, "1"),
        (6, ""),
        (99, "2"),
        (3, ""),
        (99, "3"),
        (3, ""),
    ):
        job.kill(signal.SIGKILL, after=after, also={"KILL_BETWEEN": between})
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert [fit["fit"] for fit in job.results()["fits"]] == [0, 1, 2, 3]
    assert _said(job) == _said(undisturbed) != ""


@pytest.mark.slow
def test_noticed_in_each_fit_loses_no_step(nursery: Nursery, tmp_path: Path) -> None:
    undisturbed = Job(nursery, tmp_path, "fits.py", run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "fits.py", run="noticed")
    for after in (5, 7, 9, 3, 4):
        job.kill(signal.SIGTERM, after=after)
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert job.steps_trained == undisturbed.steps_trained
