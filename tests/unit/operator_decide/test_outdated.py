"""An attempt that waits for what the spec asks for no longer gives way to one that does not."""

from __future__ import annotations

import pytest
from looks import BETWEEN, NOW, RUNNING, Exit, ended, job, plan, pod, said

from perdure.contract.exits import Reason
from perdure_operator.decide.observed import Problem
from perdure_operator.decide.plan import Start, Suspend

PENDING = RUNNING | {"phase": "Pending"}
STUCK = Problem("ImageNotPulled", "no such image")
BEFORE, NOW_ASKED = "pod-0", "pod-1"
TAKEN_AWAY = Exit(137, reason="ContainerStatusUnknown", begun=False)


@pytest.mark.parametrize("children", [[pod(problem=STUCK)], [pod()], []])
def test_a_job_made_from_another_spec_is_ended_before_it_begins(children):
    made = job(pod_spec=BEFORE, created=NOW - 60)
    planned = plan(made, *children, status=PENDING)
    assert planned.actions == (Suspend(made),)
    assert (planned.status.phase, planned.status.reason) == ("Pending", "SpecChanged")


@pytest.mark.parametrize(
    ("made_from", "of_pod", "phase"),
    [
        (NOW_ASKED, {"problem": STUCK}, "Pending"),
        (None, {"problem": STUCK}, "Pending"),
        (BEFORE, {"running": True}, "Running"),
    ],
)
def test_any_other_is_left_alone(made_from, of_pod, phase):
    planned = plan(job(pod_spec=made_from), pod(**of_pod), status=PENDING)
    assert planned.actions == ()
    assert (planned.status.phase, planned.status.reason != "SpecChanged") == (phase, True)


@pytest.mark.parametrize(
    "children", [[], [pod(exit=TAKEN_AWAY, disrupted=True)], [pod(gone_without_exit=True)]]
)
def test_what_never_began_is_counted_nowhere(children):
    status = plan(job(pod_spec=BEFORE, suspended=True), *children, status=PENDING).status
    assert (status.phase, status.reason) == ("Pending", "SpecChanged")
    assert status.ended_attempt == 1
    assert status.next_attempt_time is None
    assert (status.retries.total, status.retries.no_progress) == (0, 0)


def test_the_next_attempt_is_started_at_once():
    planned = plan(job(pod_spec=BEFORE, suspended=True), status=BETWEEN)
    assert isinstance(planned.actions[0], Start)
    assert planned.status.attempt == 2


@pytest.mark.parametrize(
    ("status", "child"),
    [
        (PENDING, pod(exit=ended(1))),
        (PENDING, pod(exit=ended(75, Reason.PREEMPTED), disrupted=True, report=said(step=1))),
        (RUNNING, pod(exit=TAKEN_AWAY, disrupted=True)),
        (RUNNING, pod(gone_without_exit=True)),
    ],
)
def test_what_had_begun_is_counted_as_it_ended(status, child):
    counted = plan(job(pod_spec=BEFORE), child, status=status).status
    assert counted.reason != "SpecChanged"
    assert counted.retries.total == 1
