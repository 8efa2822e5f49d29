"""Which epoch is the best so far."""

from __future__ import annotations

import numpy as np
import pytest

from perdure.board import Board
from perdure.contract.environment import Keep
from perdure.errors import Refused
from perdure.fitting.logs import Best


def best(keep: str = "last=3,best=loss:min") -> Best:
    return Best(Keep.parse(keep), Board("test", 1))


def test_the_first_of_the_least():
    judged = best()
    assert [judged.judge({"loss": value}) for value in (0.5, 0.7, 0.2, 0.2, float("nan"))] == [
        (0.5, True), (0.7, False), (0.2, True), (0.2, False), (None, False)
    ]  # fmt: skip


def test_a_resumed_fit_goes_on_from_the_best_before():
    before, after = best(), best()
    before.judge({"loss": 0.2})
    after.restore(before.to_state())
    assert after.judge({"loss": 0.3}) == (0.3, False)


def test_the_best_of_something_else_counts_as_none():
    before, after = best(), best("last=3,best=accuracy:min")
    before.judge({"loss": 0.2})
    after.restore(before.to_state())
    assert after.judge({"accuracy": 0.9}) == (0.9, True)


def test_a_value_of_one_element_is_judged():
    """As the F1 score of a single class is."""
    judged = best("last=3,best=val_f1:max")
    seen = [judged.judge({"val_f1": np.array([value])}) for value in (0.5, 0.75, 0.25)]
    assert seen == [(0.5, True), (0.75, True), (0.25, False)]


def test_a_value_of_several_numbers_is_refused():
    with pytest.raises(
        Refused, match=r"expected a value of one number.*'val_f1', whose shape is \(2,\)"
    ):
        best("last=3,best=val_f1:max").judge({"val_f1": np.array([0.5, 0.75])})
