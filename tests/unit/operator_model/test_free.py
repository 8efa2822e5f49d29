"""The arguments of callbacks are free within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from perdure_operator.model import ManifestError, load
from perdure_operator.model.free import MOST_BYTES, MOST_LEVELS, MOST_VALUES

MANIFEST = """
apiVersion: perdure.dev/v1alpha1
kind: TrainingJob
metadata: {name: digits}
spec:
  command: [python, train.py]
  callbacks:
"""


def nested(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


def of(*arguments: str) -> list[str]:
    """What is wrong with callbacks of these arguments."""
    lines = "".join(f"  - {{name: 'hooks:Mine', args: {{a: {text}}}}}\n" for text in arguments)
    try:
        load(MANIFEST + lines)
    except ManifestError as error:
        return error.problems
    return []


def numbers(count: int) -> str:
    return str([0] * count)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([nested(MOST_LEVELS - 1)], id="levels"),
        pytest.param([numbers(MOST_VALUES - 2)], id="values"),
        pytest.param([f"'{'x' * (MOST_BYTES - 100)}'"], id="bytes"),
    ],
)
def test_within_bounds(arguments: list[str]):
    assert of(*arguments) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([nested(MOST_LEVELS)], "callbacks[0].args: expected at most 8 levels"),
        ([nested(200)], "callbacks[0].args: expected at most 8 levels"),
        (["1", numbers(MOST_VALUES)], "callbacks[1].args: expected at most 1000 values"),
        ([f"'{'x' * MOST_BYTES}'"], "callbacks: expected at most 32768 bytes as JSON. Received: 3"),
        ([f"'{'x' * 17_000}'"] * 2, "callbacks: expected at most 32768 bytes as JSON. Received: 3"),
    ],
    ids=["levels", "many levels", "values", "bytes", "bytes together"],
)
def test_beyond_bounds(arguments: list[str], sentence: str):
    (said,) = of(*arguments)
    assert said.startswith(f"spec.{sentence}")


@pytest.mark.parametrize("text", [nested(10_000), "{a: " * 10_000 + "1" + "}" * 10_000])
def test_more_levels_than_can_be_read(text: Any):
    (said,) = of(text)
    assert "Received: more levels than can be read." in said
