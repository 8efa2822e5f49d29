"""Processes of a cluster, each with its log, that a test may kill and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class NotReady(Exception):
    """Something did not become ready; the message shows the end of its log."""


@dataclass
class Process:
    """One component as a process of its own."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def launch(self) -> None:
        """Start it without waiting until it is ready."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                start_new_session=True,  # an interrupt of the tests' terminal is not for it
            )

    def wait_ready(self, seconds: float = 120) -> None:
        """Wait until it answers.

        Raises:
            NotReady: it ended, or did not answer within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not self.ready():
            ended = self.running is None or self.running.poll() is not None
            if ended or time.monotonic() > deadline:
                state = "ended" if ended else f"was not ready within {seconds:.0f} s"
                raise NotReady(f"{self.name} {state}; its log {self.log} ends:\n{self.tail()}")
            time.sleep(0.1)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.running is None:
            return
        self.running.send_signal(number)
        try:
            self.running.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()
        self.running = None

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until `condition` holds.

    Raises:
        NotReady: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotReady(f"expected within {seconds:.0f} s: {what}")
        time.sleep(0.2)
