"""Kills a process at one of its requests, before the server hears of it or after it has obeyed."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time

from s3_faults import Fault, Refuse, Request
from s3_proxy import S3Proxy

NOT_HEARD = Refuse(503, "ServiceUnavailable")
QUIET_SECONDS = 10.0


class Killer:
    """Kills a process when the proxy sees its request `number`, counted from 1."""

    def __init__(self, proxy: S3Proxy, number: int, *, is_obeyed: bool) -> None:
        self._proxy = proxy
        self._number = number
        self._is_obeyed = is_obeyed
        self._process = threading.Event()
        self._pid = 0
        self._lock = threading.Lock()
        self._seen = itertools.count(1)
        self._chosen: Request | None = None
        self.under_way = 0
        proxy.on_request, proxy.on_answer = self._on_request, self._on_answer

    def aim(self, pid: int) -> None:
        """At this process, whose requests wait for it."""
        self._pid = pid
        self._process.set()

    @property
    def has_killed(self) -> bool:
        """Whether the process has made so many requests."""
        return self._chosen is not None

    @property
    def what(self) -> str:
        """The request at which it was killed, in words."""
        assert self._chosen is not None
        where = self._chosen.key or self._chosen.query.get("prefix", "")
        return f"{self._chosen.kind} {'record' if '/log/' in where else 'chunk'}"

    def _on_request(self, request: Request) -> Fault | None:
        self._process.wait()
        with self._lock:
            if next(self._seen) != self._number:
                self.under_way += 1
                return None
            self._chosen = request
        if self._is_obeyed:
            self.under_way += 1
            return None
        os.kill(self._pid, signal.SIGKILL)
        return NOT_HEARD

    def _on_answer(self, request: Request, _status: int) -> None:
        if request is self._chosen:
            os.kill(self._pid, signal.SIGKILL)
        with self._lock:
            self.under_way -= 1

    def wait_until_quiet(self) -> None:
        """Until the server has answered what other threads of the dead process had asked; then look on."""
        deadline = time.monotonic() + QUIET_SECONDS
        while self.under_way and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.under_way == 0, "a request is still under way"
        self._proxy.heal()
        self._proxy.on_answer = lambda _request, _status: None
