"""What became of a request."""

from __future__ import annotations

import pytest

from perdure_operator.decide.request import refused, state, understood
from perdure_operator.model.status import RequestState

FOUR = '{"id": 4, "verb": "checkpoint"}'


@pytest.mark.parametrize(
    ("known", "asked", "obeyed", "now"),
    [
        (None, None, None, None),
        (None, FOUR, None, (4, False)),
        (None, FOUR, "3", (4, False)),
        (None, FOUR, "4", (4, True)),
        ((4, True), FOUR, None, (4, True)),
        ((3, True), FOUR, None, (4, False)),
        ((4, True), None, None, (4, True)),
        ((4, False), None, None, (4, False)),
        ((3, True), "nonsense", "3", (3, True)),
        (None, FOUR, "x", (4, False)),
    ],
)
def test_state(known, asked, obeyed, now):
    before = RequestState(id=known[0], obeyed=known[1]) if known else None
    after = state(before, asked, obeyed)
    assert (after and (after.id, after.obeyed)) == now
    assert state(after, asked, obeyed) == after


@pytest.mark.parametrize("text", [None, FOUR])
def test_understood(text):
    assert (refused(text), understood(text)) == (None, text)


def test_refused():
    problem = refused("x" * 100_000)
    assert problem is not None
    assert problem.message.startswith("annotation perdure.dev/request: request: expected")
    assert len(problem.message) <= 1000
    assert understood("x") is None
