"""Which epoch is the best so far."""

from __future__ import annotations

from perdure.board import Board
from perdure.contract.environment import Keep
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
