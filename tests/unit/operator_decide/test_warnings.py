"""Conditions that are there only while there is something to say."""

from __future__ import annotations

import pytest
from looks import BETWEEN, NOW, RUNNING, conditions, ended, job, plan, pod, said

from perdure.contract.exits import Reason

SHELL = {"command": ["sh", "-c", "python train.py"]}
ALWAYS = {"Accepted", "Running", "Suspended", "Succeeded"}


def warnings(status):
    return {c.type: c.reason for c in status.conditions if c.type not in ALWAYS}


def with_warning(status, kind):
    condition = {"type": kind, "status": "True", "reason": "Before", "message": "m"}
    return status | {"conditions": [condition]}


@pytest.mark.parametrize(
    ("of_pod", "fields", "expected"),
    [
        pytest.param({"report": said()}, {}, {}, id="nothing"),
        pytest.param({"silent_since": NOW - 59}, {}, {}, id="silent for a moment"),
        pytest.param(
            {"silent_since": NOW - 60}, {}, {"ProgressUnknown": "TrainerSilent"}, id="silent"
        ),
        pytest.param(
            {"report": said(pid=7)}, SHELL, {"SignalsSwallowed": "ShellInFront"}, id="shell"
        ),
        pytest.param({"report": said(pid=1)}, SHELL, {}, id="a shell that replaced itself"),
        pytest.param({"report": said(pid=7)}, {}, {}, id="another PID without a shell"),
        pytest.param(
            {"report": said(grace_needed_seconds=30.1)},
            {},
            {"GraceTooShort": "SaveTakesLonger"},
            id="a save takes longer",
        ),
        pytest.param({"report": said(grace_needed_seconds=30.0)}, {}, {}, id="a save fits"),
        pytest.param(
            {"report": said(grace_needed_seconds=90.0), "grace_seconds": 90},
            {},
            {},
            id="a save fits into the grace that was raised",
        ),
        pytest.param(
            {"report": said(grace_needed_seconds=40.0), "grace_seconds": 30},
            {"terminationGracePeriodSeconds": 60},
            {"GraceTooShort": "SaveTakesLonger"},
            id="a pod that was made before the spec was changed",
        ),
        pytest.param(
            {}, {"ignored": ("a.", "b.")}, {"FieldsIgnored": "UnknownFields"}, id="fields"
        ),
        pytest.param({}, {"request": "?"}, {"RequestRefused": "NotUnderstood"}, id="request"),
    ],
)
def test_of_a_running_trainer(of_pod, fields, expected):
    status = plan(job(), pod(running=True, **of_pod), status=RUNNING, **fields).status
    assert warnings(status) == expected


@pytest.mark.parametrize("kind", ["ProgressUnknown", "SignalsSwallowed", "GraceTooShort"])
@pytest.mark.parametrize(
    ("children", "stays"),
    [
        pytest.param([job(), pod(running=True, report=said())], False, id="it answers otherwise"),
        pytest.param([job(), pod(running=True)], True, id="nobody has asked yet"),
        pytest.param([job(), pod()], True, id="the next one has not begun"),
        pytest.param([job(), pod(exit=ended(0, Reason.FINISHED))], False, id="it is over"),
    ],
)
def test_what_was_said_of_a_trainer(kind, children, stays):
    status = plan(*children, status=with_warning(RUNNING, kind)).status
    assert (kind in warnings(status)) is stays


def test_a_trainer_that_falls_silent_again_is_not_known_to_speak():
    silent = pod(running=True, report=said(), silent_since=NOW - 5)
    status = plan(job(), silent, status=with_warning(RUNNING, "ProgressUnknown")).status
    assert "ProgressUnknown" in warnings(status)


@pytest.mark.parametrize(("times", "is_said"), [(2, False), (3, True)])
def test_no_progress(times, is_said):
    known = BETWEEN | {"retries": {"noProgress": times}, "nextAttemptTime": "2027-01-01T00:00:00Z"}
    status = plan(status=known).status
    assert ("NoProgress" in warnings(status)) is is_said


def test_the_cure_of_a_short_grace_is_a_number_that_is_enough():
    slow = pod(running=True, report=said(grace_needed_seconds=30.1))
    status = plan(job(), slow, status=RUNNING).status
    message = status.condition("GraceTooShort").message
    assert "this one has 30 s. The next attempt is given 31 s" in message
    assert "at least 31" in message


def test_conditions_keep_their_order():
    slow = pod(running=True, report=said(grace_needed_seconds=31), silent_since=NOW - 60)
    status = plan(job(), slow, status=RUNNING, request="?").status
    order = [*("Accepted", "Running", "Suspended", "Succeeded"), "GraceTooShort"]
    assert list(conditions(status)) == [*order, "ProgressUnknown", "RequestRefused"]
