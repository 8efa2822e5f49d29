"""What a trainer reports, as the status has it."""

from __future__ import annotations

import pytest
from looks import NOW, START, said

from perdure.contract.status import Metric
from perdure_operator.decide.reporting import checkpoint, progress, reported, with_time_of
from perdure_operator.model.status import JobStatus


def show(report, before=None, running=True):
    status = JobStatus.model_validate(before or {})
    return reported(status, report, store="s3://b/p/", at=NOW, running=running)


@pytest.mark.parametrize(
    ("step", "total", "percent"),
    [
        (0, 90, 0),
        (1, 90, 1),
        (89, 90, 98),
        (90, 90, 100),
        (95, 90, 100),
        (5, None, None),
        (5, 0, None),
    ],
)
def test_percent(step, total, percent):
    assert progress(said(step=step, total_steps=total), at=NOW, running=True).percent == percent


@pytest.mark.parametrize(
    ("speed", "total", "running", "end"),
    [
        (2.0, 100, True, "2026-01-01T00:17:05Z"),
        (2.0, 100, False, None),
        (None, 100, True, None),
        (0.0, 100, True, None),
        (2.0, None, True, None),
    ],
)
def test_the_end_is_estimated_while_it_runs(speed, total, running, end):
    report = said(step=50, total_steps=total, steps_per_second=speed)
    assert progress(report, at=NOW, running=running).estimated_end_time == end


def test_a_checkpoint_never_goes_back():
    status = show(said(step=20, record=5))
    assert show(said(step=9, record=4), status.document()).checkpoint.record == 5
    assert show(said(step=9), status.document()).checkpoint.record == 5
    assert show(said(step=30, record=6), status.document()).checkpoint.step == 30


def test_where_the_lineage_is():
    saved = checkpoint(said(record=1), "s3://b/p/")
    assert saved is not None
    assert (saved.uri, saved.time) == ("s3://b/p/team/digits/1", START)


def test_a_trainer_that_has_not_come_to_train_does_not_set_the_steps_back():
    before = {"progress": {"step": 50, "epoch": 3, "stepsPerSecond": "2", "activity": "Training"}}
    waiting = show(said(step=0, activity="Restoring"), before).progress
    assert (waiting.step, waiting.epoch, waiting.activity) == (50, 3, "Restoring")
    assert waiting.steps_per_second is None
    trains = show(said(step=41, steps_trained=1), before).progress
    assert trains.step == 41


def test_metrics():
    many = tuple(Metric(f"m{n}", "NaN") for n in range(30))
    status = show(said(metrics=many))
    assert (len(status.metrics), status.metrics[0].value) == (20, "NaN")
    assert show(said(), status.document()).metrics == status.metrics


@pytest.mark.parametrize(("wall", "percent"), [(0.5, None), (100, 60), (60, 100), (10, 100)])
def test_goodput_is_of_all_the_time_there_was(wall, percent):
    report = said(seconds={"Training": 60.0, "Starting": 4.4})
    goodput = with_time_of(None, report, wall)
    assert goodput.percent == percent
    assert [(s.kind, s.seconds) for s in goodput.seconds] == [("Starting", 4), ("Training", 60)]
