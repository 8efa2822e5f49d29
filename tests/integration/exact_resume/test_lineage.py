"""What a process finds in the store when it starts: damage, another model, an end, another process."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

from perdure.contract.exits import ExitCode, Reason
from perdure.contract.status import Kind

EVERY_STEP = {"PERDURE_EVERY": "1 steps", "PERDURE_KEEP": "last=3"}


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(nursery, tmp_path_factory.mktemp("undisturbed"), "plain.py", run="undisturbed")
    job.finish()
    return job


def _killed(nursery: Nursery, folder: Path) -> Job:
    """Killed with two checkpoints at least; on a busy machine a save may take as long as the steps."""
    job = Job(nursery, folder, "plain.py", environ=dict(EVERY_STEP))
    job.kill(signal.SIGKILL, after=11)
    if len(_newest_checkpoint(job)["index"]["checkpoints"]) < 2:
        job.kill(signal.SIGKILL, after=8)
    return job


def _lineage(job: Job) -> Path:
    return job.folder / "store" / job.name


def _newest(job: Job) -> Path:
    return max((_lineage(job) / "log").iterdir())


def _newest_checkpoint(job: Job) -> dict:
    return json.loads(_newest(job).read_text())


def _step_of_the_one_before(job: Job) -> int:
    number = _newest_checkpoint(job)["index"]["checkpoints"][-2]
    record = _lineage(job) / "log" / f"{number:08d}.json"
    return json.loads(record.read_text())["body"]["step"]


def _notices(job: Job, kind: Kind) -> list[str]:
    return [notice.message for notice in job.attempts[-1].status.notices if notice.kind == kind]


def _truncate_record(job: Job) -> None:
    record = _newest(job)
    record.write_bytes(record.read_bytes()[:-40])


def _change_record(job: Job) -> None:
    record = _newest(job)
    record.write_text(record.read_text().replace('"step":', '"step": '[:-1] + "1"))


def _chunk(job: Job) -> Path:
    writer, digest, *_ = _newest_checkpoint(job)["body"]["chunks"][0]
    return _lineage(job) / "chunks" / writer / digest


def _flip_byte_of_chunk(job: Job) -> None:
    chunk = _chunk(job)
    data = bytearray(chunk.read_bytes())
    data[7] ^= 1
    chunk.write_bytes(data)


def _delete_chunk(job: Job) -> None:
    _chunk(job).unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", [_truncate_record, _change_record, _flip_byte_of_chunk, _delete_chunk]
)
def test_the_one_before_a_damaged_checkpoint_is_used(
    nursery: Nursery, tmp_path: Path, undisturbed: Job, damage
) -> None:
    job = _killed(nursery, tmp_path)
    before = _step_of_the_one_before(job)
    damage(job)
    ended = job.finish()
    assert ended.status.resumed_from == before
    assert len(_notices(job, Kind.CHECKPOINT_DAMAGED)) == 1
    assert ended.output.count("CheckpointDamaged") == 1
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
def test_another_model_is_refused_and_nothing_is_lost(
    nursery: Nursery, tmp_path: Path, undisturbed: Job
) -> None:
    job = _killed(nursery, tmp_path)
    checkpoint = _newest(job).read_bytes()
    ended = job.attempt(WIDTH="5")
    assert ended.code == ExitCode.REFUSED
    assert "variable 0" in ended.ending.message
    assert "float32[4, 4]" in ended.ending.message
    assert "float32[4, 5]" in ended.ending.message
    assert any(path.read_bytes() == checkpoint for path in (_lineage(job) / "log").iterdir())
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
def test_a_finished_lineage_run_again(nursery: Nursery, tmp_path: Path) -> None:
    job = Job(nursery, tmp_path, "plain.py", environ={"PERDURE_PROGRAM": "one", **EVERY_STEP})
    job.finish()
    before = sorted(path.name for path in (_lineage(job) / "log").iterdir())

    again = job.finish()
    assert again.ending.reason == Reason.ALREADY_FINISHED
    assert again.ending.digest == job.attempts[0].ending.digest
    assert again.status.steps_trained == 0
    assert sorted(path.name for path in (_lineage(job) / "log").iterdir()) == before

    changed = job.attempt(PERDURE_PROGRAM="two")
    assert changed.code == ExitCode.REFUSED
    assert "one -> two" in changed.ending.message
    assert "spec.run" in changed.ending.message

    longer = job.attempt(PERDURE_PROGRAM="two", PERDURE_CONTINUE="true", EPOCHS="5")
    assert longer.code == 0, longer.output
    assert longer.status.steps_trained == 16
    other = Job(nursery, tmp_path, "plain.py", run="longer", environ={"EPOCHS": "5"})
    other.finish()
    assert first_difference(other.results(), job.results()) is None


@pytest.mark.slow
def test_a_changed_program_and_environment_are_said_once(nursery: Nursery, tmp_path: Path) -> None:
    job = Job(nursery, tmp_path, "plain.py", environ={"PERDURE_PROGRAM": "one"})
    job.kill(signal.SIGTERM, after=3)
    ended = job.attempt(PERDURE_PROGRAM="two", PERDURE_THREADS="1", TF_ENABLE_ONEDNN_OPTS="0")
    assert ended.code == 0, ended.output
    assert "one -> two" in _notices(job, Kind.PROGRAM_CHANGED)[0]
    said = _notices(job, Kind.ENVIRONMENT_CHANGED)
    assert any("threads: 2 -> 1" in sentence and "keeps its own" in sentence for sentence in said)
    assert any("TF_ENABLE_ONEDNN_OPTS: 1 -> 0" in sentence for sentence in said)
    assert ended.output.count("ProgramChanged") == 1


@pytest.mark.slow
def test_the_older_of_two_processes_is_fenced(
    nursery: Nursery, tmp_path: Path, undisturbed: Job
) -> None:
    environ = {**EVERY_STEP, "PAUSE": "0.3"}
    second = Nursery()
    older = Job(nursery, tmp_path, "plain.py", environ=environ)
    older.start()
    newer = Job(second, tmp_path, "plain.py", environ=dict(EVERY_STEP))
    newer.attempts.append(None)  # the older one is the first attempt
    _wait_for_checkpoint(older)
    newer.start()
    older_ended = older.wait()
    newer_ended = newer.wait()
    second.stop()
    assert older_ended.code == ExitCode.RESUME, older_ended.output
    assert older_ended.ending.reason == Reason.FENCED
    assert "newer process" in older_ended.ending.message
    assert newer_ended.code == 0, newer_ended.output
    assert first_difference(undisturbed.results(), newer.results()) is None
    records = [json.loads(path.read_text()) for path in sorted((_lineage(older) / "log").iterdir())]
    starts = [record["number"] for record in records if record["kind"] == "start"]
    writers = {record["writer"] for record in records if record["number"] >= starts[-1]}
    assert len(starts) == 2
    assert len(writers) == 1


def _wait_for_checkpoint(job: Job) -> None:
    for _ in range(600):
        if (_lineage(job) / "log" / "00000003.json").exists():
            return
        time.sleep(0.05)
    raise AssertionError("no checkpoint was written")
