"""Users' own callbacks and Keras' monitors, killed and noticed: they know, print and decide as undisturbed."""

from __future__ import annotations

import random
import re
import signal
from pathlib import Path

import pytest
from trainers import Ended, Job, Nursery, first_difference

from perdure.contract.exits import ExitCode, Reason
from perdure.contract.status import Kind

SEED = 20261121
EVERY_STEP = {"PERDURE_EVERY": "1 steps"}
STEPS_PER_EPOCH = 6  # of stops.py


def _said(ended: Ended) -> list[str]:
    starts = ("knows", "history", "hooks")
    return [line for line in ended.output.splitlines() if line.startswith(starts)]


def _printed(ended: Ended) -> list[str]:
    """The lines of batches that a callback has printed."""
    return re.findall(r"^\w+ epoch \d+ batch \d+ loss .*$", ended.output, re.MULTILINE)


def _notices(ended: Ended, kind: Kind) -> list[str]:
    assert ended.status is not None
    return [notice.message for notice in ended.status.notices if notice.kind == kind]


@pytest.mark.slow
def test_users_own_callbacks_go_on_as_they_were(nursery: Nursery, tmp_path: Path) -> None:
    undisturbed = Job(nursery, tmp_path, "own.py", run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "own.py", run="disturbed")
    rng = random.Random(SEED)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        also = EVERY_STEP if number == signal.SIGKILL else {}
        job.kill(number, after=rng.randint(6, 13), also=also)
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert _said(job.attempts[-1]) == _said(undisturbed.attempts[-1]) != []
    _check_lines(undisturbed, job)
    _check_notices(undisturbed, job)


def _check_lines(undisturbed: Job, job: Job) -> None:
    """Each attempt prints what it computes and nothing else; only a SIGKILL has lines printed again."""
    every = _printed(undisturbed.attempts[0])
    assert len(every) == undisturbed.steps_trained
    at = 0
    for ended in job.attempts:
        lines = _printed(ended)
        begin = every.index(lines[0])
        assert begin <= at
        assert lines == every[begin : begin + len(lines)]
        at = begin + len(lines)
        if ended.status is not None:
            assert len(lines) == ended.status.steps_trained
    assert at == len(every)
    after_notice = [
        _printed(later)[0] == every[every.index(_printed(ended)[-1]) + 1]
        for ended, later in zip(job.attempts, job.attempts[1:], strict=False)
        if ended.code == ExitCode.RESUME
    ]
    assert after_notice == [True] * 3


def _check_notices(undisturbed: Job, job: Job) -> None:
    (sentence,) = _notices(undisturbed.attempts[0], Kind.CALLBACK_NOT_CAPTURED)
    assert "LambdaCallback use outside, a variable outside of it" in sentence
    said = [_notices(e, Kind.CALLBACK_NOT_CAPTURED) for e in job.attempts if e.status]
    assert all(notices in ([], [sentence]) for notices in said)
    assert not any(_notices(e, Kind.PROGRAM_CHANGED) for e in job.attempts if e.status)


@pytest.mark.slow
def test_an_early_stop_is_a_result_and_is_trained_on_with_more_patience(
    nursery: Nursery, tmp_path: Path
) -> None:
    job = Job(nursery, tmp_path, "stops.py", ["early"], environ={"PERDURE_PROGRAM": "one"})
    ended = job.finish()
    assert ended.ending.reason == Reason.EARLY_STOPPED
    assert (ended.ending.monitor, ended.ending.best_epoch) == ("loss", 1)
    assert "EarlyStopping stopped training in epoch 2" in ended.ending.message
    assert ended.status.steps_trained == 3 * STEPS_PER_EPOCH
    best = job.results()["fits"][0]["history"]["loss"][1]
    assert float(ended.ending.best_value) == best

    again = job.finish()
    assert again.ending.reason == Reason.ALREADY_FINISHED
    assert (again.ending.best_epoch, again.ending.best_value) == (1, repr(best))

    more = {"PERDURE_PROGRAM": "two", "PERDURE_CONTINUE": "true", "PATIENCE": "3"}
    continued = job.kill(signal.SIGTERM, after=4, also=more)
    (said,) = [s for s in _notices(continued, Kind.PROGRAM_CHANGED) if "patience" in s]
    assert "patience (1 -> 3)" in said
    last = job.attempt(**more)
    assert last.ending.reason == Reason.EARLY_STOPPED, last.output
    assert "epoch 4" in last.ending.message
    assert not any("patience" in s for s in _notices(last, Kind.PROGRAM_CHANGED))
    assert continued.status.steps_trained + last.status.steps_trained == 2 * STEPS_PER_EPOCH
    patient = Job(nursery, tmp_path, "stops.py", ["early"], run="p", environ={"PATIENCE": "3"})
    patient.finish()
    assert first_difference(patient.results(), job.results()) is None


@pytest.mark.slow
def test_the_users_own_stop_is_a_result_too(nursery: Nursery, tmp_path: Path) -> None:
    job = Job(nursery, tmp_path, "stops.py", ["own"], environ=EVERY_STEP)
    job.kill(signal.SIGKILL, after=3 * STEPS_PER_EPOCH)
    ended = job.finish()
    assert ended.ending.reason == Reason.EARLY_STOPPED
    assert (ended.ending.monitor, ended.ending.best_epoch) == ("loss", 2)
    assert ended.status.step == 3 * STEPS_PER_EPOCH


@pytest.mark.slow
@pytest.mark.parametrize("how", ["nan", "nan_raised"])
def test_nan_ends_the_process_as_diverged_and_what_is_saved_stays(
    nursery: Nursery, tmp_path: Path, how: str
) -> None:
    import keras

    if how == "nan_raised" and keras.version().startswith("3.12"):
        pytest.skip("TerminateOnNaN has no raise_error in Keras 3.12")
    job = Job(nursery, tmp_path, "stops.py", [how], environ=EVERY_STEP)
    job.kill(signal.SIGTERM, after=5)
    for _ in range(2):  # who starts it again finds the same
        ended = job.attempt()
        assert ended.code == ExitCode.DIVERGED, ended.output
        assert ended.ending.reason == Reason.DIVERGED
        assert "TerminateOnNaN saw a loss that is NaN" in ended.ending.message
        assert "epoch 1 (from 0) after step 9" in ended.ending.message
        assert "went on after fit" not in ended.output
        assert [m.value for m in ended.status.metrics if m.name == "loss"] == ["nan"]
    assert job.results()["fits"] == []
    assert ended.status.resumed_from in (7, 8)
