"""Which checkpoints are dropped."""

from __future__ import annotations

import pytest

from perdure.contract.environment import Keep
from perdure.lineage.retention import to_drop

SIX = [3, 5, 8, 9, 12, 14]
LOSS = Keep(2, "loss", "min")
ACCURACY = Keep(2, "accuracy", "max")


@pytest.mark.parametrize(
    ("checkpoints", "values", "keep", "dropped"),
    [
        pytest.param([], {}, Keep(3), set(), id="none"),
        pytest.param([7], {}, Keep(1), set(), id="one"),
        pytest.param([7, 9], {}, Keep(1), set(), id="two stay for a damaged newest"),
        pytest.param(SIX, {}, Keep(1), {3, 5, 8, 9}, id="last=1 keeps two"),
        pytest.param(SIX, {}, Keep(3), {3, 5, 8}, id="last=3"),
        pytest.param(SIX, {}, Keep(6), set(), id="last=all"),
        pytest.param(SIX, {}, Keep(100), set(), id="last=more than there are"),
        pytest.param(SIX, {}, LOSS, {3, 5, 8, 9}, id="no values"),
        pytest.param(SIX, {3: 0.5}, Keep(2), {3, 5, 8, 9}, id="values that nobody monitors"),
        pytest.param(SIX, {3: 0.5, 8: 0.1, 9: 0.2}, LOSS, {3, 5, 9}, id="least"),
        pytest.param(SIX, {3: 0.5, 8: 0.1, 9: 0.2}, ACCURACY, {5, 8, 9}, id="most"),
        pytest.param(SIX, {3: -1.0, 14: -2.0}, LOSS, {3, 5, 8, 9}, id="the newest is the best"),
        pytest.param(SIX, {5: 0.1, 8: 0.1}, LOSS, {3, 8, 9}, id="of equal ones the first"),
        pytest.param(SIX, {1: 0.0, 5: 0.1}, LOSS, {3, 8, 9}, id="values of records that are gone"),
        pytest.param(SIX, {5: 0.0, 8: 1.0}, LOSS, {3, 8, 9}, id="zero is a value"),
    ],
)
def test_to_drop(checkpoints, values, keep, dropped):
    assert to_drop(checkpoints, values, keep) == dropped
