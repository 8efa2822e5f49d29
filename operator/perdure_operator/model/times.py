"""Points in time: seconds since the epoch inside, RFC 3339 UTC in the API."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """`2026-01-01T00:00:00Z`, in whole seconds as Kubernetes' own objects have it."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def epoch(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text).timestamp()


def is_time(text: str) -> bool:
    """Whether `text` is a time that `epoch` reads."""
    try:
        epoch(text)
    except (ValueError, OverflowError):
        return False
    return True
