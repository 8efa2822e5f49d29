"""How long the next attempt is waited for."""

from __future__ import annotations

import pytest

from perdure.contract.exits import Counted
from perdure_operator.decide.backoff import delay_seconds
from perdure_operator.decide.types import Counters


@pytest.mark.parametrize(
    ("no_progress", "counted", "seconds"),
    [
        (0, Counted.PREEMPTION, 0),
        (0, Counted.DIVERGENCE, 0),
        (0, Counted.FAILURE, 1),
        (0, Counted.INFRASTRUCTURE, 1),
        (1, Counted.PREEMPTION, 1),
        (1, Counted.FAILURE, 1),
        (2, Counted.INFRASTRUCTURE, 2),
        (3, Counted.PREEMPTION, 4),
        (10, Counted.FAILURE, 512),
        (11, Counted.FAILURE, 600),
        (10_000, Counted.PREEMPTION, 600),
    ],
)
def test_delay(no_progress, counted, seconds):
    assert delay_seconds(Counters(no_progress=no_progress), counted) == seconds
