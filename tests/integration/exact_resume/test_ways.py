"""Every way to give data to `fit`: killed after random batches, and the result is the undisturbed one."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

WAYS = [
    "array_shuffled",
    "array_in_order",
    "array_seeded_by_script",
    "py_dataset",
    "tf_data",
    "tf_data_split",
    "tf_data_endless",
    "tf_data_cached",
    "tf_data_of_unknown_length",
    "index_first",
    "factory",
    "generator",
]
SEED = 20261121


def _undisturbed(nursery: Nursery, folder: Path, way: str) -> Job:
    job = Job(nursery, folder, "ways.py", [way], run="undisturbed")
    job.finish()
    return job


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_random_kills_change_nothing(
    nursery: Nursery, tmp_path: Path, way: str, disturbances: int
) -> None:
    undisturbed = _undisturbed(nursery, tmp_path, way)
    draw = random.Random(f"{SEED} {way}")
    job = Job(
        nursery, tmp_path, "ways.py", [way], run="killed", environ={"PERDURE_EVERY": "1 steps"}
    )
    for _ in range(disturbances):
        job.kill(signal.SIGKILL, after=draw.randint(2, 5))
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_random_notices_lose_no_step(
    nursery: Nursery, tmp_path: Path, way: str, disturbances: int
) -> None:
    undisturbed = _undisturbed(nursery, tmp_path, way)
    draw = random.Random(f"{SEED} {way}")
    job = Job(nursery, tmp_path, "ways.py", [way], run="noticed")
    for _ in range(disturbances):
        job.kill(signal.SIGTERM, after=draw.randint(1, 4))
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert job.steps_trained == undisturbed.steps_trained
