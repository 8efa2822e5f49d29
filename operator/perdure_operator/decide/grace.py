"""How long a trainer has between the signal to go and being killed."""

from __future__ import annotations

MOST_RAISED_TO = 600
"""Drains and evictions wait for the grace, so what the spec does not ask for has an end."""


def grace_for_next(asked: int, needed: int | None) -> int:
    """The grace of the next attempt in seconds: what the spec asks for, raised to what the trainer says
    that it needs, at most to `MOST_RAISED_TO`.
    """
    return max(asked, min(needed or 0, MOST_RAISED_TO))
