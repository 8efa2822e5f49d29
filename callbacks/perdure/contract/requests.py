"""Requests (live control): the annotation on a TrainingJob that a trainer reads as a file.

What was obeyed lives in the lineage and is reported, so a request is obeyed once however often the
pod dies; an older id is ignored.
"""

from __future__ import annotations

import json
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
            ValueError: naming the field, what was expected and what was received.
        """
        document = _parsed(text)
        if not isinstance(document, dict) or type(document.get("id")) is not int:
            raise ValueError(
                f"request: expected an object with a whole number id. Received: {text!r}."
            )
        verbs = [verb.value for verb in Verb]
        if document.get("verb") not in verbs:
            raise ValueError(
                f"request.verb: expected one of {', '.join(verbs)}. Received: {document.get('verb')!r}."
            )
        arguments = document.get("arguments", {})
        if not isinstance(arguments, dict):
            raise ValueError(f"request.arguments: expected an object. Received: {arguments!r}.")
        return cls(document["id"], Verb(document["verb"]), arguments)


def _parsed(text: str) -> Any:
    """The JSON document in `text`, None where there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
