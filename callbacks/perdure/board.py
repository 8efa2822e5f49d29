"""The notice board of an attempt: what it is doing, counted and timed, for status and metrics.

Written by the training thread and the saver, read by the HTTP server: every access takes the lock.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from perdure.contract.status import Activity, Ending, Metric, Notice, Status

MOST_NOTICES = 100


class Place(Protocol):
    """Where training stands. It is read when somebody asks, so that no step has to tell it."""

    fit: int
    epoch: int
    step: int
    trained: int
    replayed: int
    stepped_at: float
    """When the newest step ended, in seconds on the monotonic clock; 0 before the first."""


@dataclass
class Standing:
    """A place that nothing moves from."""

    fit: int = 0
    epoch: int = 0
    step: int = 0
    trained: int = 0
    replayed: int = 0
    stepped_at: float = 0.0


class Board:
    """Holds the attempt's `Status`; every second of the attempt is booked to one activity."""

    def __init__(self, job: str, attempt: int) -> None:
        self._lock = threading.RLock()
        self._status = Status(job=job, attempt=attempt, pid=os.getpid())
        self._seconds: dict[str, float] = {}
        self._since = time.monotonic() - _process_age()
        self._place: Place = Standing()
        self._trained = self._replayed = 0  # before the fit at `_place`
        self._rate: float | None = None
        self._rate_mark = (time.monotonic(), 0)
        self._said: set[str] = set()  # kinds of notices

    def status(self) -> Status:
        """The status document as of now."""
        with self._lock:
            self._book()
            place = self._place
            return replace(
                self._status,
                seconds={kind: round(value, 3) for kind, value in self._seconds.items()},
                fit=place.fit,
                epoch=place.epoch,
                step=place.step,
                steps_trained=self._trained + place.trained,
                steps_replayed=self._replayed + place.replayed,
                steps_per_second=self._rate,
            )

    def set(self, **values: Any) -> None:
        """Set fields of the status."""
        with self._lock:
            self._status = replace(self._status, **values)

    def _book(self) -> None:
        now = time.monotonic()
        kind = str(self._status.activity)
        self._seconds[kind] = self._seconds.get(kind, 0.0) + now - self._since
        self._since = now

    def enter(self, activity: Activity) -> str:
        """Begin `activity`; returns the one before."""
        with self._lock:
            before = self._status.activity
            if before != activity:
                self._book()
                self._status = replace(self._status, activity=activity)
            return before

    @contextmanager
    def during(self, activity: Activity) -> Iterator[None]:
        """`activity`, and afterwards again what was before."""
        before = self.enter(activity)
        try:
            yield
        finally:
            self.enter(Activity(before))

    def follow(self, place: Place) -> None:
        """From now on training stands at `place`, of a new fit."""
        with self._lock:
            self._trained += self._place.trained
            self._replayed += self._place.replayed
            self._place = place

    def measure_rate(self) -> None:
        """The rate of steps is from now on the one since the last call; both are from the training thread."""
        with self._lock:
            now, trained = time.monotonic(), self._trained + self._place.trained
            since, before = self._rate_mark
            self._rate = round((trained - before) / (now - since), 2)
            self._rate_mark = (now, trained)

    @property
    def last_step_time(self) -> float:
        """When the newest step ended, in seconds since the epoch; 0 before the first."""
        stepped_at = self._place.stepped_at
        return time.time() - (time.monotonic() - stepped_at) if stepped_at else 0.0

    def logged(self, logs: dict[str, float]) -> None:
        """Newest values of the training log."""
        with self._lock:
            values = {metric.name: metric.value for metric in self._status.metrics}
            values |= {name: repr(value) for name, value in logs.items()}
            metrics = tuple(Metric(name, value) for name, value in values.items())
            self._status = replace(self._status, metrics=metrics)

    def notice(self, kind: str, message: str) -> None:
        """Say something once per attempt: on standard error and in the status.

        The status holds the first `MOST_NOTICES`; what comes later is on standard error alone.
        """
        notice = Notice(kind, message)
        with self._lock:
            if notice in self._status.notices:
                return
            self._said.add(kind)
            if len(self._status.notices) < MOST_NOTICES:
                self._status = replace(self._status, notices=(*self._status.notices, notice))
        say(f"{kind}: {message}")

    def notice_first(self, kind: str, message: str) -> bool:
        """Say it unless a notice of this kind was said, whose message differs each time; whether it was."""
        with self._lock:
            if kind in self._said:
                return False
            self.notice(kind, message)
            return True

    def obeyed(self, request: int) -> None:
        """Request `request` was obeyed or refused; an older one stays behind it."""
        with self._lock:
            newest = max(request, int(self._status.request_obeyed or request))
            self._status = replace(self._status, request_obeyed=str(newest))

    def end(self, ending: Ending) -> bool:
        """How the process ends; the first ending stays, and True says that this was it."""
        with self._lock:
            if self._status.ending is not None:
                return False
            self._status = replace(self._status, ending=ending)
            return True


def say(sentence: str) -> None:
    """Tell the person who reads the log."""
    sys.stderr.write(f"perdure: {sentence}\n")
    sys.stderr.flush()


def _process_age() -> float:
    """Seconds since this process was started, so that imports are booked too; 0 where unknown."""
    try:
        with open("/proc/self/stat") as stat:
            started_ticks = float(stat.read().rsplit(")", 1)[1].split()[19])
        with open("/proc/uptime") as uptime:
            now = float(uptime.read().split()[0])
    except OSError:
        return 0.0
    return max(0.0, now - started_ticks / os.sysconf("SC_CLK_TCK"))
