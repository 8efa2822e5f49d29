"""What `perdure run --prove` concludes from real trainings that record their fingerprints."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from trainers import Job, Nursery

from perdure.contract.proof import FINGERPRINTS
from perdure_operator.local.compare import difference
from perdure_operator.local.parting import callbacks_that_differ, parting
from perdure_operator.local.results import Results

RECORDING = {"PERDURE_CALLBACKS": json.dumps([{"name": FINGERPRINTS}])}


def _job(nursery: Nursery, folder: Path, noise_from: int, run: str) -> Job:
    return Job(nursery, folder, "inexact.py", [str(noise_from)], run=run, environ=RECORDING)


def _results(job: Job) -> Results:
    return Results.from_json(json.dumps(job.results()))


@pytest.mark.slow
def test_the_step_and_the_tensor_that_an_unseeded_augmentation_changes_first(
    nursery: Nursery, tmp_path: Path
) -> None:
    jobs = [_job(nursery, tmp_path, 1, run) for run in ("one", "other")]
    for job in jobs:
        job.finish()
    one, other = map(_results, jobs)
    assert difference(one, other) is not None
    parted = parting(one, other) or ""
    assert parted.startswith(
        "the runs part: all tensors are equal after step 5 of fit 0 (epoch 0, batch 5), and after "
        "step 6 of fit 0 (epoch 1, batch 1) "
    )
    assert parted.endswith("the first is model sequential/dense/kernel")


@pytest.mark.slow
def test_a_disturbed_run_has_the_fingerprints_of_every_step(
    nursery: Nursery, tmp_path: Path
) -> None:
    undisturbed = _job(nursery, tmp_path, 99, "undisturbed")
    undisturbed.finish()
    job = _job(nursery, tmp_path, 99, "disturbed")
    job.kill(signal.SIGKILL, after=4, also={"PERDURE_EVERY": "1 steps"})
    job.kill(signal.SIGTERM, after=5)
    job.finish()
    one, other = _results(undisturbed), _results(job)
    assert difference(one, other) is None
    assert callbacks_that_differ(one, other) is None
    assert one.fits[0].rows == other.fits[0].rows
    assert [row.step for row in one.fits[0].rows] == [*range(1, 16)]
