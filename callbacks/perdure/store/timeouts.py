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
    request: float = 120.0
    """For all of a request. A stalled upload ends at this one only: while a body is sent nobody can
    tell stalled from slow. Eight objects of 16 MiB at once get through at 10 Mbit/s.
    """
