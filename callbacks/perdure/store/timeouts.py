"""How long one request may take. The deadline over many requests is `until_deadline`'s."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """Seconds of one request to a server."""

    connect: float = 5.0
    """Until the connection stands."""
    read: float = 20.0
    """Until the next bytes of an answer come."""
    request: float = 60.0
    """For all of a request, so that a stalled upload ends too."""
