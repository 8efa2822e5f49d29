"""What a person asks for, and when it is due."""

from __future__ import annotations

import pytest

from perdure.contract.status import Activity, Status
from perdure_operator.local.disturbance import Disturbance, Kind, is_training


@pytest.mark.parametrize(
    ("text", "count", "unit", "amount"),
    [
        ("5s", 5, "s", "5s"),
        ("0.5 s", 0.5, "s", "0.5s"),
        ("2 seconds", 2, "s", "2s"),
        ("40 steps", 40, "steps", "40 steps"),
        ("40steps", 40, "steps", "40 steps"),
        ("1 step", 1, "steps", "1 steps"),
    ],
)
def test_parse(text, count, unit, amount):
    disturbance = Disturbance.parse(Kind.KILL, text)
    assert (disturbance.count, disturbance.unit, disturbance.amount) == (count, unit, amount)
    assert str(disturbance) == f"--kill-after {amount}"


@pytest.mark.parametrize(
    "text", ["", "5", "steps", "-1 steps", "0 steps", "1.5 steps", "5 m", "5sx"]
)
def test_refused(text):
    with pytest.raises(ValueError, match=r"expected seconds such as '5s' .* Received: "):
        Disturbance.parse(Kind.PREEMPT, text)


@pytest.mark.parametrize(
    ("text", "trained", "replayed", "seconds", "due"),
    [
        ("40 steps", 39, 0, 100.0, False),
        ("40 steps", 40, 0, 0.1, True),
        ("40 steps", 39, 500, 100.0, False),
        ("5s", 1, 0, 4.9, False),
        ("5s", 1, 0, 5.0, True),
        ("5s", 0, 500, None, False),
        ("0s", 0, 0, None, False),
    ],
)
def test_is_due(text, trained, replayed, seconds, due):
    status = Status("a/b/1", 1, steps_trained=trained, steps_replayed=replayed)
    assert Disturbance.parse(Kind.KILL, text).is_due(status, seconds) is due


@pytest.mark.parametrize(
    ("activity", "trained", "training"),
    [
        (Activity.STARTING, 0, False),
        (Activity.REPLAYING, 0, False),
        (Activity.TRAINING, 0, True),
        (Activity.VALIDATING, 3, True),
    ],
)
def test_is_training(activity, trained, training):
    assert is_training(Status("a/b/1", 1, activity=activity, steps_trained=trained)) is training
