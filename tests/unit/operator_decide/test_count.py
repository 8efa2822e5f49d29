"""The end of an attempt: its budget, and what follows."""

from __future__ import annotations

import pytest
from looks import NOW, RUNNING, conditions, ended, job, plan, pod, said

from perdure.contract.exits import Reason
from perdure.contract.status import Ending
from perdure_operator.decide.observed import Exit
from perdure_operator.decide.plan import ConfirmGone, Suspend

FINISHED = ended(0, Reason.FINISHED, step=90, record=9)
PREEMPTED = ended(75, Reason.PREEMPTED, step=40, record=4)
FAILED = ended(1, Reason.ERROR)
NO_PERDURE = Exit(1, said="ModuleNotFoundError: No module named 'perdure'")
UNREACHABLE = ended(69, Reason.STORE_UNREACHABLE)


@pytest.mark.parametrize(
    ("end", "fields", "phase", "reason", "counted"),
    [
        (FINISHED, {}, "Succeeded", "Finished", {}),
        (PREEMPTED, {}, "Pending", "Preemption", {"preemption": 1}),
        (FAILED, {}, "Pending", "Failure", {"failure": 1}),
        (FAILED, {"retries": {"failures": 0}}, "Failed", "TooManyFailures", {"failure": 1}),
        (Exit(75), {}, "Pending", "Failure", {"failure": 1}),
        (UNREACHABLE, {}, "Pending", "Infrastructure", {"infrastructure": 1}),
        (ended(75, Reason.FENCED), {}, "Pending", "Infrastructure", {"infrastructure": 1}),
        (ended(76, Reason.DIVERGED), {}, "Failed", "Diverged", {"divergence": 1}),
        (ended(77, Reason.STOPPED), {}, "Stopped", "Stopped", {}),
        (ended(78, Reason.REFUSED, "no bucket"), {}, "Failed", "Refused", {"failure": 1}),
        (NO_PERDURE, {}, "Failed", "PerdureMissing", {"failure": 1}),
        (NO_PERDURE, {"suspend": True}, "Suspended", "AskedToStop", {}),
        (PREEMPTED, {"suspend": True}, "Suspended", "AskedToStop", {}),
        (FINISHED, {"suspend": True}, "Succeeded", "Finished", {}),
        (FAILED, {"run": "2"}, "Pending", "NewRun", {}),
        (
            PREEMPTED,
            {"activeDeadlineSeconds": 1000},
            "Failed",
            "DeadlineExceeded",
            {"preemption": 1},
        ),
    ],
)
def test_what_follows(end, fields, phase, reason, counted):
    status = plan(job(), pod(exit=end), status=RUNNING, **fields).status
    assert (status.phase, status.reason) == (phase, reason)
    kinds = ("preemption", "infrastructure", "failure", "divergence")
    found = {kind: getattr(status.retries, kind) for kind in kinds}
    assert {kind: times for kind, times in found.items() if times} == counted
    assert status.retries.total == sum(counted.values())
    assert (status.attempt, status.ended_attempt) == (1, 1)


@pytest.mark.parametrize("end", [FINISHED, FAILED])
def test_its_job_is_suspended_before_it_is_counted(end):
    assert plan(job(), pod(exit=end), status=RUNNING).actions == (Suspend(job()),)


def test_that_its_job_is_gone_is_confirmed_before_it_is_counted():
    assert plan(status=RUNNING).actions == (ConfirmGone(1),)


def test_the_result():
    status = plan(job(), pod(exit=FINISHED), status=RUNNING).status
    assert (status.result.reason, status.result.step) == ("Finished", 90)
    assert (status.completion_time, status.ready) == ("2026-01-01T00:16:40Z", "0/1")
    assert conditions(status)["Succeeded"] == "True"


def test_an_early_stop_is_a_result():
    word = "EarlyStopping stopped training in epoch 7"
    text = said(ending=Ending(0, "EarlyStopped", word, "d", "val_loss", 5, "0.34")).to_json()
    status = plan(job(), pod(exit=Exit(0, said=text)), status=RUNNING).status
    assert (status.phase, status.reason, status.message) == ("Succeeded", "EarlyStopped", word)
    result = status.document()["result"]
    assert (result["reason"], result["digest"]) == ("EarlyStopped", "d")
    assert (result["monitor"], result["bestEpoch"], result["bestValue"]) == ("val_loss", 5, "0.34")


@pytest.mark.parametrize(
    ("end", "no_progress", "time"),
    [
        (PREEMPTED, 0, None),
        (FAILED, 0, "2026-01-01T00:16:41Z"),
        (FAILED, 3, "2026-01-01T00:16:48Z"),
    ],
)
def test_the_next_attempt_is_waited_for(end, no_progress, time):
    known = RUNNING | {"retries": {"noProgress": no_progress}}
    result = plan(job(), pod(exit=end), status=known, now=NOW)
    assert result.status.next_attempt_time == time
    assert result.look_again_after == 0


def test_nothing_of_a_running_trainer_stays_said():
    progress = {"activity": "Training", "step": 5, "stepsPerSecond": "2", "estimatedEndTime": "x"}
    status = plan(job(), pod(exit=Exit(137)), status=RUNNING | {"progress": progress}).status
    assert status.progress.model_dump(exclude_defaults=True) == {"step": 5}


def test_times_add_up():
    goodput = {"seconds": [{"kind": "Training", "seconds": 300}]}
    end = ended(75, Reason.PREEMPTED, seconds={"Training": 200.4, "Saving": 3.0})
    status = plan(job(), pod(exit=end), status=RUNNING | {"goodput": goodput}).status
    assert {s.kind: s.seconds for s in status.goodput.seconds} == {"Saving": 3, "Training": 500}
    assert status.goodput.percent == 50


@pytest.mark.parametrize(("obeyed", "is_obeyed"), [("4", True), ("3", False), (None, False)])
def test_the_last_word_says_what_was_obeyed(obeyed, is_obeyed):
    asked = '{"id": 4, "verb": "stop"}'
    stopped = ended(77, Reason.STOPPED, request_obeyed=obeyed)
    request = plan(job(), pod(exit=stopped), status=RUNNING, request=asked).status.request
    assert (request.id, request.obeyed) == (4, is_obeyed)
