"""The state of callbacks: by their own protocol, else their attributes that are data."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from perdure.state.callbacks import capture, name_of, pair, restore


class Plain:
    def __init__(self) -> None:
        self.count = 0
        self.best = None
        self.weights: list[Any] = []
        self.seen: tuple[int, ...] = ()
        self.model = self._model = object()
        self.params = {"epochs": 9}
        self.function = len
        self.file = object()


class WithProtocol(Plain):
    def get_state(self) -> dict[str, Any]:
        return {"count": self.count}

    def set_state(self, state: dict[str, Any]) -> None:
        self.count = state["count"] * 10


class WithHalfAProtocol(Plain):
    def get_state(self) -> dict[str, Any]:
        raise AssertionError


def transfer(source: Any, target: Any) -> list[tuple[str, str]]:
    """Capture, store as JSON, restore; gives what was skipped."""
    tensors: list[Any] = []
    skipped: list[tuple[str, str]] = []
    document = capture(source, tensors, lambda name, what: skipped.append((name, what)))
    restore(target, json.loads(json.dumps(document, allow_nan=False)), tensors)
    return skipped


@pytest.mark.parametrize("cls", [Plain, WithHalfAProtocol])
def test_attributes(cls):
    source, target = cls(), cls()
    source.count, source.best, source.seen = 3, float("nan"), (1, 2)
    source.weights = [np.float32([1, 2]), np.eye(2)]
    source.added_later = "yes"
    kept = target.model, target.params, target.function, target.file
    assert transfer(source, target) == [("file", "a builtins.object")]
    assert (target.count, target.seen, target.added_later) == (3, (1, 2), "yes")
    assert np.isnan(target.best)
    assert [w.tolist() for w in target.weights] == [[1, 2], [[1, 0], [0, 1]]]
    assert (target.model, target.params, target.function, target.file) == kept


def test_the_captured_state_does_not_change_with_the_callback():
    source, tensors = Plain(), []
    source.weights = [np.zeros(2)]
    document = capture(source, tensors, lambda *_: None)
    source.weights[0] += 1
    source.weights.append(1)
    restore(target := Plain(), document, tensors)
    assert [w.tolist() for w in target.weights] == [[0, 0]]


def test_protocol_is_preferred_to_attributes():
    source, target = WithProtocol(), WithProtocol()
    source.count, source.best = 3, 1.0
    assert transfer(source, target) == []
    assert (target.count, target.best) == (30, None)


def test_a_defaultdict_still_has_its_default():
    source, target = Plain(), Plain()
    source.counts, target.counts = defaultdict(int, a=1), defaultdict(int)
    transfer(source, target)
    assert target.counts["a"] == 1
    assert target.counts["b"] == 0


def test_name():
    assert name_of(WithProtocol()) == f"{__name__}.WithProtocol"


@pytest.mark.parametrize(
    ("saved", "present", "pairs"),
    [
        pytest.param([], [], [], id="none"),
        pytest.param(["a", "b"], ["a", "b"], [(0, 0), (1, 1)], id="the same"),
        pytest.param(["a", "b"], ["b", "a"], [(0, 1), (1, 0)], id="another order"),
        pytest.param(
            ["a", "a", "b"], ["a", "b", "a"], [(0, 0), (1, 2), (2, 1)], id="two of a name"
        ),
        pytest.param(["a", "a"], ["a"], [(0, 0)], id="one is gone"),
        pytest.param(["a"], ["a", "a"], [(0, 0)], id="one is new"),
        pytest.param(["a", "b"], ["c", "b"], [(1, 1)], id="one is another"),
    ],
)
def test_pair(saved, present, pairs):
    assert pair(saved, present) == pairs
