"""The grace of the next attempt."""

from __future__ import annotations

import pytest
from looks import BETWEEN, RUNNING, ended, job, plan, pod, said

from perdure.contract.exits import ExitCode, Reason
from perdure_operator.decide.grace import MOST_RAISED_TO, grace_for_next
from perdure_operator.decide.plan import Start


@pytest.mark.parametrize(
    ("asked", "needed", "given"),
    [
        pytest.param(30, None, 30, id="nothing is known"),
        pytest.param(30, 12, 30, id="less is needed"),
        pytest.param(30, 31, 31, id="more is needed"),
        pytest.param(30, MOST_RAISED_TO + 1, MOST_RAISED_TO, id="not without end"),
        pytest.param(3600, 12, 3600, id="never less than asked for"),
        pytest.param(3600, 3601, 3600, id="who asks for more decides himself"),
    ],
)
def test_grace_for_next(asked, needed, given):
    assert grace_for_next(asked, needed) == given


def test_what_a_running_trainer_needs_is_kept():
    status = plan(job(), pod(running=True, report=said(grace_needed_seconds=44.2)), status=RUNNING)
    assert status.status.grace_needed_seconds == 45
    silent = plan(job(), pod(running=True), status=RUNNING | {"graceNeededSeconds": 45})
    assert silent.status.grace_needed_seconds == 45


def test_what_it_says_at_its_end_counts():
    left = ended(ExitCode.RESUME, Reason.PREEMPTED, grace_needed_seconds=71)
    status = plan(job(), pod(exit=left), status=RUNNING | {"graceNeededSeconds": 45}).status
    assert status.grace_needed_seconds == 71


@pytest.mark.parametrize(("needed", "given"), [(None, 30), (20, 30), (45, 45), (6000, 600)])
def test_the_next_attempt_is_given_it(needed, given):
    known = BETWEEN | ({} if needed is None else {"graceNeededSeconds": needed})
    (start,) = plan(status=known).actions
    assert isinstance(start, Start)
    assert start.grace_seconds == given


def test_another_run_begins_with_what_the_spec_asks_for():
    (start,) = plan(status=BETWEEN | {"graceNeededSeconds": 45}, run="2").actions
    assert isinstance(start, Start)
    assert start.grace_seconds == 30
