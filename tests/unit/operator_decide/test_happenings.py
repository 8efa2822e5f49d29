"""What a user is told as Events."""

from __future__ import annotations

import pytest
from looks import BETWEEN, NOW, RUNNING, conditions, ended, job, plan, pod, seen

from perdure.contract.exits import Reason
from perdure_operator.decide.happenings import happenings
from perdure_operator.decide.observed import Exit, Problem
from perdure_operator.model.status import JobStatus

STUCK = Problem("ImageNotPulled", "no such image")
PREEMPTED = ended(75, Reason.PREEMPTED, record=1)


def told(*children, status=None, **fields):
    before = seen(status=status).status
    after = plan(*children, status=status, **fields).status
    return [(h.reason, h.is_warning) for h in happenings(before, after)]


@pytest.mark.parametrize(
    ("children", "status", "fields", "expected"),
    [
        pytest.param([], None, {}, [("AttemptStarted", False)], id="the first attempt"),
        pytest.param([], BETWEEN, {}, [("AttemptStarted", False)], id="another attempt"),
        pytest.param([job(), pod()], RUNNING, {}, [], id="nothing"),
        pytest.param(
            [job(), pod(exit=PREEMPTED)], RUNNING, {}, [("Preemption", False)], id="taken"
        ),
        pytest.param([job(), pod(exit=Exit(1))], RUNNING, {}, [("Failure", True)], id="failed"),
        pytest.param(
            [job(), pod(exit=ended(0, Reason.FINISHED))],
            RUNNING,
            {},
            [("Finished", False)],
            id="succeeded",
        ),
        pytest.param(
            [job(), pod(exit=Exit(1))],
            RUNNING,
            {"retries": {"failures": 0}},
            [("TooManyFailures", True)],
            id="failed for good",
        ),
        pytest.param(
            [job(), pod(exit=PREEMPTED)],
            RUNNING,
            {"suspend": True},
            [("AskedToStop", False)],
            id="suspended, told once",
        ),
        pytest.param([], None, {"suspend": True}, [("Suspended", False)], id="never started"),
        pytest.param(
            [job(), pod(problem=STUCK)], RUNNING, {}, [("ImageNotPulled", True)], id="stuck"
        ),
        pytest.param([], None, {"checkpoint": {}}, [("StoreMissing", True)], id="refused"),
        pytest.param(
            [job(), pod(running=True, silent_since=NOW - 60)],
            RUNNING,
            {},
            [("TrainerSilent", True)],
            id="a warning",
        ),
    ],
)
def test_told(children, status, fields, expected):
    assert told(*children, status=status, **fields) == expected


def test_nothing_is_told_twice():
    first = plan(job(), pod(problem=STUCK), status=RUNNING).status
    assert told(job(), pod(problem=STUCK), status=first.document()) == []


def test_a_problem_that_comes_back_as_another_is_told():
    first = plan(job(), pod(problem=STUCK), status=RUNNING).status
    other = Problem("Unschedulable", "no node")
    assert told(job(), pod(problem=other), status=first.document()) == [("Unschedulable", True)]


def test_conditions_that_are_always_there_are_no_news():
    after = plan(job(), pod(running=True), status=RUNNING).status
    assert len(conditions(after)) == 4
    assert happenings(JobStatus.model_validate(RUNNING), after) == []
