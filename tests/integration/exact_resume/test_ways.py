"""Every way to give data to `fit`: killed after random batches, and the result is the undisturbed one."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import pytest
from s3_server import S3
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
    "tf_data_with_state",
    "index_first",
    "factory",
    "generator",
]
SEED = 20261121


@pytest.fixture
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the disturbed trainings save: a folder, or a bucket on a real S3 server."""
    if request.config.getoption("--store") == "file":
        return {"store": "", "environ": {}}
    try:
        server = request.getfixturevalue("versitygw")
    except pytest.skip.Exception:  # it cannot be built here
        server = request.getfixturevalue("moto_server")
    s3 = S3(server, server.make_bucket())
    return {"store": s3.url, "environ": s3.environment}


def _undisturbed(nursery: Nursery, folder: Path, way: str) -> Job:
    job = Job(nursery, folder, "ways.py", [way], run="undisturbed")
    job.finish()
    return job


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_random_kills_change_nothing(
    nursery: Nursery, tmp_path: Path, way: str, place: dict[str, Any], disturbances: int
) -> None:
    undisturbed = _undisturbed(nursery, tmp_path, way)
    draw = random.Random(f"{SEED} {way}")
    job = Job(nursery, tmp_path, "ways.py", [way], run="killed", **place)
    for _ in range(disturbances):
        job.kill(signal.SIGKILL, after=draw.randint(2, 5), also={"PERDURE_EVERY": "1 steps"})
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_random_notices_lose_no_step(
    nursery: Nursery, tmp_path: Path, way: str, place: dict[str, Any], disturbances: int
) -> None:
    undisturbed = _undisturbed(nursery, tmp_path, way)
    draw = random.Random(f"{SEED} {way}")
    job = Job(nursery, tmp_path, "ways.py", [way], run="noticed", **place)
    for _ in range(disturbances):
        job.kill(signal.SIGTERM, after=draw.randint(1, 4))
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert job.steps_trained == undisturbed.steps_trained
