"""The time that a job has, over all its attempts."""

from __future__ import annotations

import pytest

from perdure_operator.decide.deadline import seconds_left


@pytest.mark.parametrize(
    ("started", "now", "deadline", "left"),
    [(100, 130, None, None), (100, 130, 60, 30), (100, 160, 60, 0), (100, 500, 60, 0)],
)
def test_seconds_left(started, now, deadline, left):
    assert seconds_left(started, now, deadline) == left
