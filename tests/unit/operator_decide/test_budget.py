"""Each kind of ending has its own budget."""

from __future__ import annotations

import pytest

from perdure_operator.decide.budget import exhausted
from perdure_operator.decide.types import Counters
from perdure_operator.model.retries import Retries


@pytest.mark.parametrize(
    ("counters", "retries", "reason"),
    [
        (Counters(failures=3), {}, None),
        (Counters(failures=4), {}, "TooManyFailures"),
        (Counters(failures=1), {"failures": 0}, "TooManyFailures"),
        (Counters(infrastructure=10), {}, None),
        (Counters(infrastructure=11), {}, "TooManyInfrastructureFailures"),
        (Counters(preemptions=100_000), {}, None),
        (Counters(preemptions=3), {"preemptions": 2}, "TooManyPreemptions"),
        (Counters(preemptions=1), {"preemptions": 0}, "TooManyPreemptions"),
        (Counters(no_progress=10), {}, None),
        (Counters(no_progress=11), {}, "NoProgress"),
        (Counters(failures=4, no_progress=11), {}, "TooManyFailures"),
    ],
)
def test_exhausted(counters, retries, reason):
    over = exhausted(counters, Retries.model_validate(retries))
    assert (over and over.reason) == reason


def test_message_names_the_field():
    over = exhausted(Counters(failures=4), Retries())
    assert over is not None
    assert over.message == "4 attempts failed; spec.retries.failures is 3"
