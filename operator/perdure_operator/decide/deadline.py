"""The time that a job has, over all its attempts."""

from __future__ import annotations


def seconds_left(started: float, now: float, deadline: int | None) -> float | None:
    """Seconds until `spec.activeDeadlineSeconds` is over, at least 0; None without a deadline."""
    return None if deadline is None else max(0.0, started + deadline - now)
