"""One look after the other: what is started when, and what a look makes up for."""

from __future__ import annotations

import pytest
from looks import BETWEEN, NOW, RUNNING, START, conditions, job, plan, pod, seen

from perdure_operator.decide.observed import Exit
from perdure_operator.decide.plan import DeleteTrainingJob, Start
from perdure_operator.decide.reconcile import not_started

DIGEST = "digits@sha256:" + "a" * 64


def over(phase="Succeeded", **fields):
    value = {"Succeeded": "True", "Failed": "False"}[phase]
    summary = {"type": "Succeeded", "status": value, "reason": "Finished"}
    return BETWEEN | {"phase": phase, "completionTime": START, "conditions": [summary]} | fields


def suspended(**fields):
    """Suspended after 400 s, 600 s ago."""
    since = "2026-01-01T00:06:40Z"
    condition = {"type": "Suspended", "status": "True", "reason": "A", "lastTransitionTime": since}
    return BETWEEN | {"phase": "Suspended", "conditions": [condition]} | fields


def starts(result):
    return [action for action in result.actions if isinstance(action, Start)]


def test_the_first_attempt():
    result = plan()
    assert result.actions == (Start(1, "digits:1", "s3://bucket/prefix", 30),)
    status = result.status
    assert (status.phase, status.attempt, status.ended_attempt) == ("Pending", 1, 0)
    assert (status.run, status.program) == ("1", "program-1")
    assert status.start_time == "2026-01-01T00:16:40Z"
    assert conditions(status) == {
        "Accepted": "True",
        "Running": "False",
        "Suspended": "False",
        "Succeeded": "Unknown",
    }


def test_another_attempt_with_the_image_of_the_first_and_the_newest_request():
    request = '{"id": 1, "verb": "checkpoint"}'
    pinned = BETWEEN | {"image": {"requested": "digits:1", "resolved": DIGEST}}
    (start,) = starts(plan(status=pinned, request=request))
    assert (start.attempt, start.image, start.request) == (2, DIGEST, request)
    (start,) = starts(plan(status=pinned, image="digits:2", request="nonsense"))
    assert (start.image, start.request) == ("digits:2", None)


def test_no_number_is_used_twice():
    (start,) = starts(plan(job(7, ours=False), status=BETWEEN))
    assert start.attempt == 8


def test_jobs_of_an_earlier_training_job_are_no_attempt_of_this_one():
    result = plan(job(1, ours=False))
    assert [start.attempt for start in starts(result)] == [2]
    assert result.status.retries.total == 0


@pytest.mark.parametrize(
    ("children", "fields", "phase", "reason"),
    [
        ([], {"checkpoint": {}}, "Pending", "StoreMissing"),
        ([], {"suspend": True}, "Suspended", "Suspended"),
        ([], {"activeDeadlineSeconds": 1000}, "Failed", "DeadlineExceeded"),
        ([pod(1, running=True)], {}, "Pending", "PodNotGone"),
        ([pod(1, ours=False)], {}, "Pending", "PodNotGone"),
    ],
)
def test_nothing_is_started(children, fields, phase, reason):
    result = plan(*children, status=BETWEEN, **fields)
    assert (result.status.phase, result.status.reason, result.actions) == (phase, reason, ())


def test_pods_that_have_ended_are_in_nobodys_way():
    assert starts(plan(pod(1, exit=Exit(1)), pod(1, gone_without_exit=True), status=BETWEEN))


@pytest.mark.parametrize(
    ("deadline", "seconds"), [(None, 60), (1030, 30), (2000, 60)], ids=["none", "before", "after"]
)
def test_the_next_attempt_is_waited_for(deadline, seconds):
    waits = BETWEEN | {"nextAttemptTime": "2026-01-01T00:17:40Z", "reason": "Failure"}
    result = plan(status=waits, activeDeadlineSeconds=deadline)
    assert (result.actions, result.look_again_after) == ((), seconds)
    assert result.status.observed_generation == 1
    assert starts(plan(status=waits, now=NOW + 60))


def test_the_time_that_is_over_is_the_end():
    waits = BETWEEN | {"nextAttemptTime": "2027-01-01T00:00:00Z"}
    status = plan(status=waits, activeDeadlineSeconds=1000).status
    assert (status.phase, status.result.reason) == ("Failed", "DeadlineExceeded")
    assert status.next_attempt_time is None
    assert status.completion_time == "2026-01-01T00:16:40Z"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@pytest.mark.parametrize(
    "fields", [{}, {"suspend": True}, {"image": "digits:2"}, {"activeDeadlineSeconds": 1}]
)
def test_a_terminal_phase_stays(phase, fields):
    result = plan(status=over(phase), **fields)
    assert (result.status.phase, result.actions, result.look_again_after) == (phase, (), None)


@pytest.mark.parametrize(
    ("keep", "deleted", "again"), [(1001, False, 1), (1000, True, None), (0, True, None)]
)
def test_a_finished_job_is_deleted_in_its_time(keep, deleted, again):
    result = plan(status=over(), ttlSecondsAfterFinished=keep)
    assert result.actions == ((DeleteTrainingJob(),) if deleted else ())
    assert result.look_again_after == again


@pytest.mark.parametrize(
    ("status", "fields", "begins"),
    [
        pytest.param(over(), {"run": "2"}, True, id="another run"),
        pytest.param(over("Failed"), {"run": "2"}, True, id="another run after a failure"),
        pytest.param(over(program="old"), {"continue": True}, True, id="a changed program goes on"),
        pytest.param(over(), {"continue": True}, False, id="an unchanged one has nothing to do"),
        pytest.param(over(program="old"), {}, False, id="nobody asked to go on"),
        pytest.param(over("Failed", program="old"), {"continue": True}, False, id="it failed"),
    ],
)
def test_what_begins_anew(status, fields, begins):
    result = plan(status=status | {"retries": {"failure": 2, "total": 2}}, **fields)
    assert bool(starts(result)) is begins
    assert (result.status.retries.total == 0) is begins
    assert (result.status.completion_time is None) is begins
    assert result.status.attempt == (2 if begins else 1)


def test_a_new_run_that_waits_is_a_new_status_already():
    status = plan(status=over(), run="2", suspend=True).status
    assert (status.phase, status.run, status.attempt, status.ended_attempt) == (
        "Suspended",
        None,
        1,
        1,
    )


def test_suspended_time_is_no_time_of_the_job():
    result = plan(status=suspended(), activeDeadlineSeconds=500)
    assert starts(result)
    assert result.status.start_time == "2026-01-01T00:10:00Z"
    assert plan(status=suspended(), activeDeadlineSeconds=400).status.phase == "Failed"


def test_who_resumes_does_not_wait_for_the_back_off():
    waiting = BETWEEN | {"nextAttemptTime": "2027-01-01T00:00:00Z"}
    held = plan(status=waiting, suspend=True).status
    assert held.next_attempt_time is None
    assert starts(plan(status=held.document()))


def test_who_resumes_while_the_old_pod_goes_keeps_the_time():
    left = pod(1, running=True, delete_by=NOW)
    waits = plan(left, status=suspended(), activeDeadlineSeconds=500).status
    assert (waits.phase, waits.reason) == ("Pending", "PodNotGone")
    assert starts(plan(status=waits.document(), activeDeadlineSeconds=500))


def test_a_start_that_was_not_written_down_is_made_up_for():
    result = plan(job(1))
    assert (result.actions, result.status.attempt, result.status.run) == ((), 1, "1")
    assert (result.status.start_time, result.status.reason) == ("2026-01-01T00:16:35Z", "Starting")


def test_an_unwritten_start_after_which_another_run_was_asked_for():
    result = plan(job(1), run="2")
    assert result.status.run == "1"
    assert [type(action).__name__ for action in result.actions] == ["Suspend"]


def test_an_unwritten_start_of_another_run():
    result = plan(job(2, run="2"), status=over(), run="2")
    assert (result.status.phase, result.status.run, result.status.attempt) == ("Pending", "2", 2)
    assert (result.actions, result.status.completion_time) == ((), None)


def test_an_unwritten_start_that_has_ended_already():
    status = plan(job(2, suspended=True), pod(2, exit=Exit(1)), status=BETWEEN).status
    assert (status.attempt, status.ended_attempt, status.retries.failure) == (2, 2, 1)


def test_a_start_that_the_api_refuses():
    result = not_started(seen(status=over(), run="2"), "exceeded quota", now=NOW)
    assert (result.status.phase, result.status.reason) == ("Pending", "JobRefused")
    assert (result.status.completion_time, result.status.attempt) == (None, 1)
    assert result.look_again_after == 30
    again = not_started(seen(status=result.status.document(), run="2"), "exceeded quota", now=NOW)
    assert again.status == result.status


def test_each_look_goes_one_step():
    ended = plan(job(), pod(exit=Exit(75), disrupted=True), status=RUNNING)
    assert starts(ended) == []
    assert ended.look_again_after == 0
