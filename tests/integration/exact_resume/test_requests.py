"""Requests to a running training: each is obeyed once, and exactly over kills and resumes."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from trainers import Ended, Job, Nursery, first_difference

from perdure.contract.exits import ExitCode, Reason
from perdure.contract.requests import Request, Verb
from perdure.contract.status import Kind

HALF = Request(4, Verb.LEARNING_RATE_FACTOR, {"factor": "0.5"})
FACTOR_CASES = [
    "plain", "schedule", "callbacks_that_set_it", "loss_scale", "two_optimizers", "eager",
    "one_batch_epochs",
]  # fmt: skip


def _job(nursery: Nursery, folder: Path, case: str, run: str, **environ: str) -> Job:
    request_file = folder / f"request-{run}"
    settings = {"PERDURE_REQUEST_FILE": str(request_file), **environ}
    return Job(nursery, folder, "asked.py", [case], run=run, environ=settings)


def _asking(request: Request, at: int) -> dict[str, str]:
    return {"ASK": request.to_json(), "ASK_AT": str(at)}


def _said(ended: Ended, sentence: str) -> list[str]:
    return [line for line in ended.output.splitlines() if sentence in line]


def _last_line(job: Job) -> str:
    return job.attempts[-1].output.splitlines()[-1]


def _records(job: Job, kind: str) -> list[dict[str, Any]]:
    paths = sorted((job.folder / "store" / job.name / "log").iterdir())
    records = [json.loads(path.read_text()) for path in paths]
    return [record for record in records if record["kind"] == kind]


@pytest.mark.slow
@pytest.mark.parametrize("case", FACTOR_CASES)
def test_a_learning_rate_factor_is_exact_over_kills(
    nursery: Nursery, tmp_path: Path, case: str
) -> None:
    is_at_epochs_end = case == "one_batch_epochs"
    at, before, after, obeyed = (3, 2, 2, 3) if is_at_epochs_end else (7, 5, 4, 8)
    undisturbed = _job(nursery, tmp_path, case, "undisturbed", **_asking(HALF, at))
    undisturbed.finish()
    assert undisturbed.attempts[0].status.request_obeyed == "4"
    unasked = _job(nursery, tmp_path, case, "unasked")
    unasked.finish()
    assert first_difference(undisturbed.results(), unasked.results()) is not None

    every = {"PERDURE_EVERY": f"{before} steps"}
    job = _job(nursery, tmp_path, case, "killed", **_asking(HALF, at))
    job.kill(signal.SIGKILL, after=obeyed + 1, also=every)  # the newest checkpoint is from before
    again = job.kill(signal.SIGKILL, after=after, also=every)
    assert _said(again, f"request 4 obeyed after step {obeyed}"), again.output
    job.kill(signal.SIGTERM, after=after)
    ended = job.finish()
    assert ended.status.request_obeyed == "4"
    assert not _said(ended, "obeyed after"), "the checkpoint has it"
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
def test_a_factor_is_of_the_schedule_and_one_takes_it_back(
    nursery: Nursery, tmp_path: Path
) -> None:
    """The same factor by another id changes nothing, and 1 gives the schedule's own rate back."""
    one = _job(nursery, tmp_path, "schedule", "asked")
    one.kill(signal.SIGTERM, after=8, also=_asking(HALF, 5))
    again = Request(5, Verb.LEARNING_RATE_FACTOR, HALF.arguments)
    once = one.kill(signal.SIGTERM, after=6, also=_asking(again, 12))
    assert once.status.request_obeyed == "5"
    rate = next(float(m.value) for m in once.status.metrics if m.name == "learning_rate")
    assert 0 < rate < 0.06
    back = one.attempt(**_asking(Request(6, Verb.LEARNING_RATE_FACTOR, {"factor": 1}), 18))
    assert back.code == 0, back.output
    assert back.status.request_obeyed == "6"
    obeyed = [record["body"]["id"] for record in _records(one, "request")]
    assert obeyed[-1] == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "epochs"), [pytest.param(7, 2, id="in an epoch"), pytest.param(10, 2, id="at its end")]
)
def test_finish_ends_the_fit_as_early_stopping_does(
    nursery: Nursery, tmp_path: Path, at: int, epochs: int
) -> None:
    request = Request(9, Verb.FINISH)
    undisturbed = _job(nursery, tmp_path, "plain", "undisturbed", **_asking(request, at))
    ended = undisturbed.finish()
    assert _last_line(undisturbed) == f"done after {epochs} epochs"
    steps = min(at + 1, 10)
    assert ended.status.steps_trained == steps + 5, "the fit after it is trained whole"

    job = _job(nursery, tmp_path, "plain", "killed", **_asking(request, at))
    for every in ("3 steps", "1 steps"):
        killed = job.attempt(KILL_AT="the end", PERDURE_EVERY=every)
        assert killed.code == -signal.SIGKILL, killed.output
        assert _said(killed, f"request 9 obeyed after step {steps}"), killed.output
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
    assert _last_line(job) == f"done after {epochs} epochs"
    assert job.finish().ending.reason == Reason.ALREADY_FINISHED


@pytest.mark.slow
def test_patience_is_kept_over_a_resume(nursery: Nursery, tmp_path: Path) -> None:
    unasked = _job(nursery, tmp_path, "early_stopping", "unasked", EPOCHS="8")
    unasked.finish()
    assert _last_line(unasked) == "done after 2 epochs"
    request = Request(1, Verb.PATIENCE, {"callback": "EarlyStopping", "patience": 3})
    undisturbed = _job(
        nursery, tmp_path, "early_stopping", "asked", EPOCHS="8", **_asking(request, 3)
    )
    undisturbed.finish()
    assert _last_line(undisturbed) == "done after 4 epochs"
    job = _job(nursery, tmp_path, "early_stopping", "killed", EPOCHS="8", **_asking(request, 3))
    job.kill(signal.SIGKILL, after=4, also={"PERDURE_EVERY": "2 steps"})
    job.kill(signal.SIGTERM, after=6)
    job.finish()
    assert _last_line(job) == "done after 4 epochs"
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
def test_a_checkpoint_is_committed_and_then_reported(nursery: Nursery, tmp_path: Path) -> None:
    job = _job(nursery, tmp_path, "plain", "1", PERDURE_EVERY="1000 steps")
    request = Request(3, Verb.CHECKPOINT)
    killed = job.kill(signal.SIGKILL, after=22, also=_asking(request, 12))
    saved = [line for line in killed.output.splitlines() if "request 3 obeyed: step" in line]
    assert len(saved) == 1
    step = _records(job, "checkpoint")[-1]["body"]["step"]
    assert 12 <= step <= 13
    ended = job.finish()
    assert ended.status.resumed_from == step
    assert ended.status.request_obeyed == "3"
    assert not _said(ended, "request 3"), "it was obeyed before"


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["train", "validation", "script", "predict", "replay"])
def test_stop_saves_and_leaves_and_is_obeyed_once(
    nursery: Nursery, tmp_path: Path, phase: str
) -> None:
    undisturbed = _job(nursery, tmp_path, "plain", "undisturbed", PHASE="none")
    undisturbed.finish()
    request = Request(2, Verb.STOP)
    job = _job(nursery, tmp_path, "plain", "stopped", PHASE="none")
    if phase == "replay":
        job.kill(signal.SIGTERM, after=9)
    asking = _asking(request, 7 if phase == "train" else -1)
    ended = job.attempt(**{**asking, "PHASE": phase})
    assert ended.code == ExitCode.STOPPED, ended.output
    assert ended.ending.reason == Reason.STOPPED
    assert ended.status.request_obeyed == "2"
    assert "stopped by request 2" in ended.ending.message
    last = job.finish()
    assert last.status.request_obeyed == "2", "the request is still in the file"
    assert last.status.starts == len(job.attempts)
    assert first_difference(undisturbed.results(), job.results()) is None
    assert job.steps_trained == undisturbed.steps_trained, "no step is lost"


@pytest.mark.slow
def test_a_request_to_stop_before_the_first_fit_waits_for_the_lineage(
    nursery: Nursery, tmp_path: Path
) -> None:
    job = _job(nursery, tmp_path, "plain", "1")
    ended = job.attempt(**_asking(Request(2, Verb.STOP), 0))
    assert ended.code == ExitCode.STOPPED, ended.output
    assert "before the first fit" in ended.output
    assert job.finish().status.request_obeyed == "2"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "sentence", "seen"),
    [
        pytest.param('{"id": 8, "verb": "explode"}', "request.verb", "8", id="verb"),
        pytest.param("not JSON", "whole number id", None, id="no request"),
        pytest.param(
            '{"id": 8, "verb": "patience", "arguments": {"patience": 2}}',
            "Received: no name",
            "8",
            id="nothing to do it to",
        ),
    ],
)
def test_what_cannot_be_obeyed_is_said_and_training_goes_on(
    nursery: Nursery, tmp_path: Path, text: str, sentence: str, seen: str | None
) -> None:
    job = _job(nursery, tmp_path, "plain", "1")
    (tmp_path / "request-1").write_text(text)
    ended = job.attempt()
    assert ended.code == 0, ended.output
    refused = [n.message for n in ended.status.notices if n.kind == Kind.REQUEST_REFUSED]
    assert len(refused) == 1
    assert sentence in refused[0]
    assert ended.status.request_obeyed == seen
