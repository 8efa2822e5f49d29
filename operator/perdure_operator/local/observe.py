"""What a trainer says of itself: over HTTP while it lives, at its end in a termination message."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import httpx

from perdure.contract.status import Status


class StatusClient:
    """Asks a trainer on this machine for its status, again and again over one connection."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/status"
        self._client = httpx.Client(timeout=1.0, trust_env=False)

    def get(self) -> Status | None:
        """The status; None where the trainer does not answer (yet), or not as one."""
        try:
            return Status.from_json(self._client.get(self._url).text)
        except (httpx.HTTPError, ValueError):
            return None

    def __enter__(self) -> StatusClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()


def termination_message(path: Path) -> Status | None:
    """The trainer's last word; None where it had no time for one, or is not ours."""
    try:
        status = Status.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return status if status.ending else None


def tail(log: Path, lines: int = 15) -> list[str]:
    """The last lines of a log; progress bars, which go back to the line's start, once."""
    text = log.read_bytes()[-65536:].decode(errors="replace")
    shown = [line.rstrip("\r\b").rpartition("\r")[2] for line in text.split("\n")]
    return [line for line in shown if line.strip("\b ")][-lines:]
