"""Files that callbacks write: whatever happens to the process, and to its disk, they end as undisturbed."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from s3_server import S3, S3Server
from trainers import Job, Nursery, first_difference
from written_files import contents

from perdure.contract.exits import ExitCode
from perdure.contract.status import Kind

SEED = 20261122
KINDS = ["checkpoints", "loggers", "boards"]
ALL = ",".join(KINDS)
EVERY_STEP = {"PERDURE_EVERY": "1 steps"}


def _out(job: Job) -> Path:
    return job.folder / f"work-{job.run}" / "out"


def _lose_disk(job: Job) -> None:
    """What a pod on another node finds: nothing."""
    shutil.rmtree(_out(job), ignore_errors=True)


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(
        nursery, tmp_path_factory.mktemp("undisturbed"), "writing.py", [ALL], run="undisturbed"
    )
    job.attempt(FORMER="1")
    assert job.attempts[-1].code == 0, job.attempts[-1].output
    return job


def _expect_same(undisturbed: dict[str, Any], disturbed: dict[str, Any]) -> None:
    assert disturbed.keys() == undisturbed.keys()
    differing = {name for name in undisturbed if undisturbed[name] != disturbed[name]}
    if "events" in differing:
        differing |= {*(undisturbed["events"].items() ^ disturbed["events"].items())}
    assert not differing


@pytest.mark.slow
def test_the_undisturbed_run_has_all_kinds_of_files(undisturbed: Job) -> None:
    found = contents(_out(undisturbed))
    tags = {tag for _, tag, _, _ in found["events"]}
    assert {"keras", "epoch_loss", "batch_mae", "evaluation_loss_vs_iterations", "batch_4"} <= tags
    assert "epoch_steps_per_second" in tags
    for ending in ("kernel/histogram", "kernel/image"):  # Keras 3.12 leaves the layer's name out
        assert any(tag.endswith(ending) for tag in tags)
    assert {"best.keras", "worst.h5", "batch/4-5.weights.h5", "former.csv"} <= found.keys()
    assert {*found["events"].values()} == {1}
    assert "never.keras" not in found
    assert found["former.csv"].startswith("epoch,loss\n0,7.0\n")
    assert any(name.endswith("embedding.ckpt-2.weights.h5") for name in found)
    assert list(_out(undisturbed).rglob("*.xplane.pb"))
    assert not list(_out(undisturbed).rglob("*.perdure"))


def _disturb(job: Job, draw: random.Random) -> None:
    """Kill, or give notice, somewhere; half of the time with the disk."""
    kind = draw.choice(["killed", "noticed", "killed at the end of an epoch"])
    if kind == "killed at the end of an epoch":  # whose files are newer than any checkpoint
        ended = job.attempt(KILL_AFTER_WRITING="1")
        assert ended.code == -signal.SIGKILL, ended.output
    else:
        number = signal.SIGKILL if kind == "killed" else signal.SIGTERM
        job.kill(number, after=draw.randint(2, 5))
    if draw.random() < 0.5:
        _lose_disk(job)


@pytest.mark.slow
def test_random_kills_change_no_file(
    nursery: Nursery, tmp_path: Path, undisturbed: Job, disturbances: int
) -> None:
    draw = random.Random(SEED)
    job = Job(nursery, tmp_path, "writing.py", [ALL], environ=dict(EVERY_STEP, FORMER="1"))
    job.kill(signal.SIGKILL, after=7, also={"PERDURE_EVERY": "100 steps"})  # nothing is saved
    for _ in range(disturbances - 1):
        _disturb(job, draw)
    job.finish()
    _expect_same(contents(_out(undisturbed)), contents(_out(job)))
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
def test_two_fits_that_share_their_files(nursery: Nursery, tmp_path: Path) -> None:
    undisturbed = Job(nursery, tmp_path, "writing.py", ["two fits"], run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "writing.py", ["two fits"], environ=dict(EVERY_STEP))
    job.kill(signal.SIGKILL, after=7)
    job.kill(signal.SIGTERM, after=6)
    job.kill(signal.SIGKILL, after=4)
    _lose_disk(job)
    job.finish()
    _expect_same(contents(_out(undisturbed)), contents(_out(job)))
    _lose_disk(job)
    job.finish()  # nothing is trained, and the files are there again
    _expect_same(contents(_out(undisturbed)), contents(_out(job)))


@pytest.mark.slow
def test_files_in_s3(
    nursery: Nursery, tmp_path: Path, undisturbed: Job, moto_server: S3Server
) -> None:
    """The same callbacks write to a bucket: what is there is what an undisturbed run has on its disk."""
    s3 = S3(moto_server, moto_server.make_bucket())
    where, client = f"s3://{s3.bucket}/out", s3.server.client()
    client.put_object(Bucket=s3.bucket, Key="out/former.csv", Body=b"epoch,loss\n0,7.0\n")
    job = Job(
        nursery,
        tmp_path,
        "writing.py",
        [ALL],
        environ={**EVERY_STEP, **s3.environment, "WHERE": where},
    )
    for number, after in ((signal.SIGKILL, 7), (signal.SIGTERM, 4), (signal.SIGKILL, 5)):
        job.kill(number, after=after)
    job.finish()
    mirror = tmp_path / "mirror"
    for entry in (
        client.get_paginator("list_objects_v2").paginate(Bucket=s3.bucket).search("Contents")
    ):
        path = mirror / entry["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(s3.bucket, entry["Key"], str(path))
    client.close()
    _expect_same(contents(_out(undisturbed)), contents(mirror / "out"))


@pytest.mark.slow
def test_keras_own_backups_are_left_out(nursery: Nursery, tmp_path: Path) -> None:
    """A script that was written for BackupAndRestore is exact by the one line."""
    undisturbed = Job(nursery, tmp_path, "backups.py", run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "backups.py", environ=dict(EVERY_STEP))
    job.kill(signal.SIGKILL, after=5)
    job.kill(signal.SIGTERM, after=3)
    job.kill(signal.SIGKILL, after=3)
    _lose_disk(job)
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    _expect_same(contents(_out(undisturbed)), contents(_out(job)))
    said = [notice.kind for notice in job.attempts[-1].status.notices]
    assert said.count(Kind.CALLBACK_REPLACED) == 1
    assert not (_out(job) / "backup").exists()
    bare = Job(nursery, tmp_path, "backups.py", run="bare")
    bare.attempt(BARE="1")
    assert bare.attempts[-1].code == 0, bare.attempts[-1].output
    assert _said(bare) == _said(undisturbed) == _said(job) != ""


def _said(job: Job) -> str:
    """The epochs that the script's History has."""
    return next(line for line in job.attempts[-1].output.splitlines() if line.startswith("epochs"))


@pytest.mark.slow
def test_orbax_is_refused(nursery: Nursery, tmp_path: Path) -> None:
    ended = Job(nursery, tmp_path, "backups.py").attempt(ORBAX="1")
    assert ended.code == ExitCode.REFUSED, ended.output
    assert "OrbaxCheckpoint" in ended.ending.message
