"""An attempt under way."""

from __future__ import annotations

import pytest
from looks import NOW, RUNNING, Exit, job, plan, pod, said

from perdure_operator.decide.observed import Problem
from perdure_operator.decide.plan import PassRequest, Suspend

DIGEST = "digits@sha256:" + "a" * 64
OTHER = "digits@sha256:" + "b" * 64
STUCK = Problem("ImageNotPulled", "no such image")
ASKED = '{"id": 4, "verb": "checkpoint"}'


@pytest.mark.parametrize(
    ("children", "fields", "phase", "reason", "ready"),
    [
        ([job()], {}, "Pending", "Starting", "0/1"),
        ([job(created=NOW - 31)], {}, "Pending", "PodNotCreated", "0/1"),
        ([job(), pod()], {}, "Pending", "Starting", "0/1"),
        ([job(), pod(problem=STUCK)], {}, "Pending", "ImageNotPulled", "0/1"),
        ([job(), pod(running=True)], {}, "Running", "Training", "1/1"),
        ([job(), pod(running=True)], {"suspend": True}, "Running", "Suspending", "1/1"),
        ([job(), pod(running=True)], {"run": "2"}, "Running", "NewRun", "1/1"),
        (
            [job(), pod(running=True)],
            {"activeDeadlineSeconds": 1000},
            "Running",
            "DeadlineExceeded",
            "1/1",
        ),
        ([job(), pod(running=True, delete_by=NOW)], {}, "Running", "Leaving", "0/1"),
    ],
)
def test_where_it_stands(children, fields, phase, reason, ready):
    status = plan(*children, status=RUNNING, **fields).status
    assert (status.phase, status.reason, status.ready) == (phase, reason, ready)
    assert status.message


@pytest.mark.parametrize(
    ("of_pod", "fields"),
    [
        ({"delete_by": NOW}, {}),
        ({}, {"suspend": True}),
        ({}, {"run": "2"}),
        ({}, {"activeDeadlineSeconds": 1000}),
    ],
)
def test_a_job_whose_pod_is_to_go_makes_no_other(of_pod, fields):
    going = pod(running=True, **of_pod)
    assert plan(job(), going, status=RUNNING, **fields).actions == (Suspend(job()),)
    assert plan(job(suspended=True), going, status=RUNNING, **fields).actions == ()


def test_a_trainer_is_left_alone():
    assert plan(job(), pod(running=True), status=RUNNING, activeDeadlineSeconds=1001).actions == ()


@pytest.mark.parametrize(
    ("of_pod", "request_", "passed"),
    [
        ({}, ASKED, True),
        ({"request": '{"id": 3, "verb": "checkpoint"}'}, ASKED, True),
        ({"request": ASKED}, ASKED, False),
        ({}, "checkpoint!", False),
        ({}, None, False),
        ({"delete_by": NOW}, ASKED, False),
    ],
)
def test_a_request_is_passed_on_once(of_pod, request_, passed):
    trainer = pod(running=True, report=said(step=1), **of_pod)
    actions = plan(job(suspended=True), trainer, status=RUNNING, request=request_).actions
    assert actions == ((PassRequest(trainer, ASKED),) if passed else ())


@pytest.mark.parametrize(
    ("image", "image_id", "pinned"),
    [
        pytest.param("digits:1", DIGEST, DIGEST, id="what the spec asks for is pinned"),
        pytest.param("digits:1", "sha256:" + "a" * 64, None, id="an image without a name"),
        pytest.param("digits:1", None, None, id="no image yet"),
        pytest.param("digits:0", DIGEST, None, id="the pod was made for an image before"),
        pytest.param(DIGEST, DIGEST, None, id="the pod was made for a digest"),
    ],
)
def test_the_image_is_pinned(image, image_id, pinned):
    status = plan(job(), pod(image=image, image_id=image_id), status=RUNNING).status
    assert (status.image and status.image.resolved) == pinned


def test_a_pinned_image_stays():
    known = RUNNING | {"image": {"requested": "digits:1", "resolved": DIGEST}}
    status = plan(job(), pod(image="digits:1", image_id=OTHER), status=known).status
    assert status.image.resolved == DIGEST


@pytest.mark.parametrize(
    ("trainer", "now_uid", "starts", "preempted"),
    [
        pytest.param(None, "a", 1, 0, id="the first"),
        pytest.param({"uid": "a"}, "a", 1, 0, id="the same, which now reports"),
        pytest.param({"uid": "a", "starts": 1}, "b", 0, 1, id="replaced while nobody looked"),
        pytest.param({"uid": "a", "starts": 1}, "b", 2, 1, id="replaced once"),
        pytest.param({"uid": "a", "starts": 1}, "b", 4, 3, id="replaced three times"),
        pytest.param({"uid": "b", "before": 1}, "b", 4, 2, id="two more, told by its report"),
        pytest.param({"uid": "b"}, "b", 4, 0, id="nobody knows how many there were"),
        pytest.param({"uid": "b", "starts": 4}, "b", 4, 0, id="counted already"),
    ],
)
def test_pods_that_were_replaced_unseen_were_preempted(trainer, now_uid, starts, preempted):
    known = RUNNING | {"trainer": trainer} if trainer else RUNNING
    current = pod(uid=now_uid, running=True, report=said(starts=starts))
    status = plan(job(), current, status=known).status
    assert (status.retries.preemption, status.retries.total) == (preempted, preempted)
    again = plan(job(), current, status=status.document()).status
    assert again == status


def test_a_report_is_shown():
    report = said(step=30, record=3, total_steps=90, steps_per_second=2.0)
    trainer = pod(running=True, report=report, reported_at=NOW)
    status = plan(job(), trainer, status=RUNNING).status
    assert (status.progress.step, status.progress.percent) == (30, 33)
    assert status.progress.estimated_end_time == "2026-01-01T00:17:10Z"
    assert (status.checkpoint.record, status.checkpoint.uri) == (
        3,
        "s3://bucket/prefix/team/digits/1",
    )


@pytest.mark.parametrize(
    ("of_pod", "fields", "seconds"),
    [
        ({}, {}, 30),
        ({}, {"activeDeadlineSeconds": 1010}, 10),
        ({"delete_by": NOW + 4}, {}, 4),
        ({"delete_by": NOW - 4}, {}, 1),
    ],
)
def test_it_is_looked_at_again_when_a_time_runs_out(of_pod, fields, seconds):
    assert plan(job(), pod(**of_pod), status=RUNNING, **fields).look_again_after == seconds


def test_the_newest_pod_that_has_not_ended_is_the_one():
    old = pod(uid="old", exit=Exit(137), disrupted=True, created=NOW)
    new = pod(uid="new", running=True, created=NOW - 60)
    assert plan(job(), old, new, status=RUNNING).status.phase == "Running"
