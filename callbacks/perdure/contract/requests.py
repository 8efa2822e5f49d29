"""Requests (live control): the annotation on a TrainingJob that a trainer reads as a file.

What was obeyed lives in the lineage and is reported, so a request is obeyed once however often the
pod dies; an older id is ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ANNOTATION = "perdure.dev/request"


class Verb(StrEnum):
    """What can be asked of a running trainer."""

    CHECKPOINT = "checkpoint"
    STOP = "stop"
    FINISH = "finish"
    LEARNING_RATE_FACTOR = "learning-rate-factor"
    PATIENCE = "patience"


class InvalidRequest(ValueError):
    """What is asked for cannot be obeyed; `id` is that of the request, None where it has none."""

    def __init__(self, sentence: str, id: int | None = None) -> None:  # noqa: A002 - the field's name
        super().__init__(sentence)
        self.id = id


@dataclass(frozen=True)
class Request:
    """A request: `id` grows, so that order is known."""

    id: int
    verb: Verb
    arguments: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The annotation's value."""
        return json.dumps({"id": self.id, "verb": self.verb, "arguments": self.arguments})

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Parse the annotation's value.

        Raises:
            InvalidRequest: naming the field, what was expected and what was received.
        """
        document = _parsed(text)
        if not isinstance(document, dict) or type(document.get("id")) is not int:
            raise InvalidRequest(
                f"request: expected an object with a whole number id. Received: {text[:200]!r}."
            )
        number, verbs = document["id"], [verb.value for verb in Verb]
        if document.get("verb") not in verbs:
            raise InvalidRequest(
                f"request.verb: expected one of {', '.join(verbs)}. Received: {document.get('verb')!r}.",
                number,
            )
        verb, arguments = Verb(document["verb"]), document.get("arguments", {})
        if not isinstance(arguments, dict):
            raise InvalidRequest(
                f"request.arguments: expected an object. Received: {arguments!r}.", number
            )
        problem = _problem(verb, arguments)
        if problem is not None:
            raise InvalidRequest(f"request.arguments{problem}", number)
        return cls(number, verb, arguments)

    @property
    def factor(self) -> float:
        """What `learning-rate-factor` multiplies the schedule's learning rate by."""
        return float(self.arguments["factor"])

    @property
    def patience(self) -> int:
        """The epochs that `patience` gives."""
        return int(self.arguments["patience"])

    @property
    def callback(self) -> str | None:
        """The class name of the callbacks that `patience` is for, None for all that have one."""
        name: str | None = self.arguments.get("callback")
        return name


def _parsed(text: str) -> Any:
    """The JSON document in `text`, None where there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_factor(value: Any) -> bool:
    """A string too, because a manifest has no floats."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return False
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return False
    return math.isfinite(number) and number > 0


_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "factor": ("a number above 0", _is_factor),
    "patience": (
        "a whole number of epochs from 0",
        lambda value: type(value) is int and value >= 0,
    ),
    "callback": ("the class name of a callback", lambda value: isinstance(value, str)),
}
_NEEDED = {Verb.LEARNING_RATE_FACTOR: ("factor",), Verb.PATIENCE: ("patience",)}
_OPTIONAL = {Verb.PATIENCE: ("callback",)}


def _problem(verb: Verb, arguments: dict[str, Any]) -> str | None:
    """What is wrong with the arguments, beginning with the field's path."""
    needed = _NEEDED.get(verb, ())
    known = (*needed, *_OPTIONAL.get(verb, ()))
    for name in (*needed, *sorted(arguments)):
        if name not in known:
            what = f"expected only {', '.join(known)}" if known else "expected none"
            return f": {what} for {verb}. Received: {name}."
        expected, holds = _EXPECTED[name]
        if not holds(arguments.get(name)):
            return f".{name}: expected {expected}. Received: {arguments.get(name)!r}."
    return None
