"""The children besides the current attempt."""

from __future__ import annotations

from looks import BETWEEN, RUNNING, START, job, plan, pod

from perdure_operator.decide.observed import Problem
from perdure_operator.decide.plan import DeleteJob, DeleteTrainingJob, Start, Suspend

DONE = Problem("Complete", "")
FIFTH = RUNNING | {"attempt": 5, "endedAttempt": 4}
OVER = BETWEEN | {
    "completionTime": START,
    "conditions": [{"type": "Succeeded", "status": "True", "reason": "Finished"}],
    "phase": "Succeeded",
}


def test_no_ended_attempt_may_make_a_pod():
    actions = plan(job(4), job(5), pod(5, running=True), status=FIFTH).actions
    assert actions == (Suspend(job(4)),)


def test_jobs_that_make_no_pods_are_left_alone():
    quiet = [job(2, suspended=True), job(3, finished=DONE), job(4, ours=False)]
    assert plan(*quiet, job(5), pod(5, running=True), status=FIFTH).actions == ()


def test_the_last_three_are_kept():
    jobs = [job(n, suspended=True) for n in range(1, 5)]
    actions = plan(*jobs, job(5), pod(5, running=True), status=FIFTH).actions
    assert actions == (DeleteJob(jobs[0]),)


def test_what_is_being_deleted_is_not_deleted_again():
    going = job(1, suspended=True, deleting=True)
    assert plan(going, job(5), pod(5, running=True), status=FIFTH).actions == ()


def test_an_ended_attempt_is_stopped_before_the_next_is_started():
    first, second = plan(job(1), status=BETWEEN).actions
    assert first == Suspend(job(1))
    assert isinstance(second, Start)


def test_what_was_created_too_late_is_stopped():
    result = plan(job(1, suspended=True), job(2), status=OVER)
    assert result.actions == (Suspend(job(2)),)
    assert (result.status.phase, result.status.attempt) == ("Succeeded", 2)


def test_who_deletes_the_training_job_needs_no_order():
    assert plan(job(1), status=OVER, ttlSecondsAfterFinished=1).actions == (DeleteTrainingJob(),)
