"""The bounds of what a manifest may say freely: the arguments of callbacks.

No rule of the API server can look into a free object, so a job beyond these is taken by it; the operator
then says the same sentence in a condition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from perdure_operator.model.rules import refuse

MOST_LEVELS = 8
MOST_VALUES = 1000
MOST_BYTES = 32 * 1024
"""All callbacks reach the trainer in one environment variable, which Linux bounds at 128 KiB."""


def bounded(arguments: dict[str, Any]) -> dict[str, Any]:
    """`arguments`, unless they are nested too deep or too many."""
    for count, (level, _) in enumerate(_values(arguments), start=1):
        if level > MOST_LEVELS:
            refuse(f"expected at most {MOST_LEVELS} levels of lists and mappings. Received: more.")
        if count > MOST_VALUES:
            refuse(f"expected at most {MOST_VALUES} values. Received: more.")
    return arguments


def _values(document: Any) -> Iterator[tuple[int, Any]]:
    """Each value within `document` with its level; without recursion, for it may be of any depth."""
    left = [(0, document)]
    while left:
        level, value = left.pop()
        yield level, value
        below = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            left.extend((level + 1, part) for part in below)


def bounded_together(callbacks: Sequence[BaseModel]) -> Sequence[BaseModel]:
    """`callbacks`, unless they are longer as JSON than a trainer can be told."""
    size = len(json.dumps([callback.model_dump() for callback in callbacks]).encode())
    if size > MOST_BYTES:
        refuse(f"expected at most {MOST_BYTES} bytes as JSON. Received: {size}.")
    return callbacks
