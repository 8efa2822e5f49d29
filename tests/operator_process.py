"""The operator as a process of this machine: started, killed with SIGKILL, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from cluster.access import Access
from cluster.processes import wait_for
from s3_server import HOST, free_port


class OperatorProcess:
    """`perdure operator` with the rights of `access`; its log goes on over all its processes."""

    def __init__(self, access: Access, log: Path) -> None:
        self._access = access
        self._port = free_port()
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; returns when it has seen everything once."""
        command = [str(Path(sys.executable).with_name("perdure")), "operator"]
        environment = {
            **os.environ,
            **self._access.environment,
            "PERDURE_OPERATOR_PORT": str(self._port),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        wait_for("the operator to be ready", self._is_ready, 60)
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the operator has ended:\n{self.log.read_text()}"
        return self.get("/readyz") is not None

    def get(self, path: str) -> str | None:
        """What it answers on its own port; None where that is no success."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self._port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return None

    def kill(self) -> None:
        """Kill it where it stands, as `kill -9` does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Tell it to stop, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGKILL)
