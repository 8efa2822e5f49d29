"""Loops without fit: killed and noticed at random steps and between them, and nothing is different."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

from perdure.contract.exits import ExitCode, Reason
from perdure.contract.requests import Request, Verb

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


MISUSES = {
    "epochs_outside": "RuntimeError | inside of `with perdure.loop(...) as loop:`",
    "batches_outside": "RuntimeError | loop.batches in an epoch",
    "no_epochs": "RuntimeError | a loop over loop.epochs(count)",
    "epochs_twice": "RuntimeError | one loop over loop.epochs",
    "no_batches": "RuntimeError | an epoch without",
    "batches_twice": "RuntimeError | one loop over loop.batches",
    "no_step": "RuntimeError | a batch without",
    "break_without_step": "RuntimeError | a batch without",
    "step_twice": "RuntimeError | a call without a new batch",
    "kept_iterator": "RuntimeError | an iterator that is kept",
    "log_before": "RuntimeError | a call before them",
    "used_again": "RuntimeError | one that was used before",
    "loop_in_loop": "RuntimeError | a loop inside of another loop",
    "arrays": "TypeError | perdure.data.arrays",
    "ended_iterator": "ValueError | none. An iterator goes on",
    "other_data_then_the_same": "ValueError | the same data in every epoch",
    "no_number": "TypeError | loss, a ResourceVariable",
    "no_steps": "ValueError | steps of at least 1",
    "nothing_given": "TypeError | Received: nothing",
    "a_number": "TypeError | best, a builtins.float",
    "no_data": "TypeError | state, whose state has",
    "unknown_weights": "Refused | Give its model to the loop too",
    "under_a_strategy": "Refused | MirroredStrategy",
}


@pytest.mark.slow
def test_misuse_is_told_by_a_sentence(nursery: Nursery, tmp_path: Path) -> None:
    listed = '[{"name": "EarlyStopping", "args": {"monitor": "loss"}}]'
    ended = Job(nursery, tmp_path, "misused.py").attempt(PERDURE_CALLBACKS=listed)
    assert "EarlyStopping are not called by perdure.loop" in ended.output
    assert ended.ending.code == ExitCode.REFUSED, "noted, though the script has caught it"
    said = dict(line.split(" | ", 1) for line in ended.output.splitlines() if " | " in line)
    assert [*said] == [*MISUSES]
    for name, expected in MISUSES.items():
        kind, words = expected.split(" | ")
        assert said[name].startswith(kind), said[name]
        assert words in said[name]


HALF = Request(1, Verb.LEARNING_RATE_FACTOR, {"factor": "0.5"})
FINISH = Request(2, Verb.FINISH)


@pytest.mark.slow
def test_requests_are_obeyed_at_their_step_again(nursery: Nursery, tmp_path: Path) -> None:
    """A factor without a new trace, and an end before the script's own; both exact over kills."""

    def job(run: str) -> Job:
        file = {"PERDURE_REQUEST_FILE": str(tmp_path / f"request-{run}")}
        return Job(nursery, tmp_path, "looped.py", ["lazy"], run=run, environ=file)

    asking = {"ASK_AT_5": HALF.to_json(), "ASK_AT_10": FINISH.to_json()}
    undisturbed = job("undisturbed")
    ended = undisturbed.attempt(**asking)
    assert ended.code == 0, ended.output
    assert ended.status.steps_trained == 10
    unasked = job("unasked")
    unasked.finish()
    assert first_difference(undisturbed.results(), unasked.results()) is not None

    disturbed = job("disturbed")
    every = {"PERDURE_EVERY": "3 steps"}
    disturbed.kill(signal.SIGKILL, after=7, also={**asking, **every})
    disturbed.kill(signal.SIGTERM, after=3, also={"PERDURE_EVERY": "1 steps"})
    ended = disturbed.attempt(**asking)
    assert ended.code == 0, ended.output
    assert first_difference(undisturbed.results(), disturbed.results()) is None
    assert disturbed.finish().ending.reason == Reason.ALREADY_FINISHED
