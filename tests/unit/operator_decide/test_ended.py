"""Whether and how an attempt ended."""

from __future__ import annotations

import pytest
from looks import RUNNING, ended, job, pod, said, seen

from perdure.contract.exits import Reason
from perdure_operator.decide.ended import end_of_attempt
from perdure_operator.decide.observed import Exit, Problem

TRAINED = RUNNING | {"trainer": {"uid": "pod-1"}}
SAVED = TRAINED | {"checkpoint": {"record": 7, "step": 70, "time": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("children", "status"),
    [
        pytest.param([job()], RUNNING, id="its pod was not created yet"),
        pytest.param([job(), pod()], RUNNING, id="its pod waits"),
        pytest.param([job(), pod(running=True)], TRAINED, id="it trains"),
        pytest.param([job(), pod(running=True, delete_by=1.0)], TRAINED, id="it leaves"),
        pytest.param(
            [job(), pod(exit=Exit(137), disrupted=True), pod(uid="new", running=True)],
            TRAINED,
            id="its pod was replaced",
        ),
    ],
)
def test_it_goes_on(children, status):
    assert end_of_attempt(seen(*children, status=status)) is None


@pytest.mark.parametrize(
    "children",
    [
        pytest.param([job()], id="the pod that trained is gone"),
        pytest.param([job(suspended=True)], id="suspended before it had a pod"),
        pytest.param([job(deleting=True)], id="its Job is being deleted"),
        pytest.param([job(finished=Problem("Complete", ""))], id="its Job is over, its pod gone"),
        pytest.param([], id="nothing is left"),
        pytest.param([job(), pod(gone_without_exit=True)], id="the pod had no container"),
    ],
)
def test_taken_away(children):
    end = end_of_attempt(seen(*children, status=SAVED))
    assert end is not None
    assert (end.attempt, end.exit_code, end.disrupted, end.newest_record) == (1, None, True, 7)
    assert end.description == "was taken away"


def test_a_pod_that_the_status_does_not_know_may_still_come():
    assert end_of_attempt(seen(job(), status=RUNNING)) is None


def test_the_last_word_counts_before_the_last_report():
    word = ended(75, Reason.PREEMPTED, step=9, record=3)
    end = end_of_attempt(seen(job(), pod(exit=word, report=said(step=5)), status=RUNNING))
    assert end is not None
    assert (end.status.step, end.ending.code, end.newest_record) == (9, 75, 3)


def test_without_a_last_word_the_last_report_stands():
    killed = pod(exit=Exit(137, reason="OOMKilled", said="log"), report=said(step=5, record=2))
    end = end_of_attempt(seen(job(), killed, status=RUNNING))
    assert end is not None
    assert (end.status.step, end.ending, end.newest_record) == (5, None, 2)
    assert end.description == "exited with 137 (OOMKilled)"


def test_without_any_word_the_status_knows_the_checkpoint():
    end = end_of_attempt(seen(job(), pod(exit=Exit(1, reason="Error")), status=SAVED))
    assert end is not None
    assert (end.newest_record, end.description) == (7, "exited with 1")


@pytest.mark.parametrize("suspend", [False, True])
def test_a_user_who_suspends_has_asked_for_it(suspend):
    end = end_of_attempt(seen(job(), pod(exit=Exit(75)), status=RUNNING, suspend=suspend))
    assert end is not None
    assert end.asked_to_stop is suspend
