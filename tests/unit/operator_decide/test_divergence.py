"""What follows when training diverged."""

from __future__ import annotations

import pytest

from perdure_operator.decide.divergence import learning_rate_factor, may_roll_back
from perdure_operator.decide.types import Counters
from perdure_operator.model.retries import Divergence


@pytest.mark.parametrize(
    ("policy", "divergences", "rolls_back", "factor"),
    [
        ({}, 1, False, "1"),
        ({"action": "Rollback"}, 1, True, "0.5"),
        ({"action": "Rollback"}, 2, True, "0.25"),
        ({"action": "Rollback"}, 3, False, "0.125"),
        ({"action": "Rollback", "times": 0}, 1, False, "0.5"),
        ({"action": "Rollback", "learningRateFactor": "0.1"}, 2, True, "0.01"),
        ({"action": "Rollback", "learningRateFactor": "1"}, 2, True, "1"),
    ],
)
def test_divergence(policy, divergences, rolls_back, factor):
    rule, counters = Divergence.model_validate(policy), Counters(divergence=divergences)
    assert may_roll_back(counters, rule) is rolls_back
    assert learning_rate_factor(counters, rule) == factor
