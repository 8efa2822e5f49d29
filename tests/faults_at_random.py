"""Faults at random: single ones, and bursts of one kind, as a busy server or a bad network has them."""

from __future__ import annotations

import collections
import random
import threading
from collections.abc import Sequence

from s3_faults import (
    SLOW_DOWN,
    TRANSIENT,
    Cut,
    Delay,
    Fault,
    Flip,
    LoseAnswer,
    Refuse,
    Request,
    Shorten,
    Stall,
)  # fmt: skip

SHARE = 0.06
SHARE_OF_BURSTS = 0.01
SINGLE: tuple[Fault, ...] = (
    *TRANSIENT,
    Flip("request"),
    Flip("answer"),
    Shorten(),
    Stall("request", 3),
    Stall("answer", 3),
    Delay(3),  # arrives once its sender has given it up
    Refuse(412, "PreconditionFailed"),
)
BURSTS: tuple[Fault, ...] = (
    SLOW_DOWN,
    Refuse(500, "InternalError"),
    Refuse(400, "ExpiredToken"),
    Refuse(403, "RequestTimeTooSkewed"),
    Refuse(404, "NoSuchBucket"),
    Cut("answer"),
    LoseAnswer(),
)
ENDS_A_START = Refuse(404, "NoSuchBucket")  # a person has to see it; while saving it is waited out


class Weather:
    """Which fault meets which request."""

    def __init__(
        self, seed: int, share: float = SHARE, single: Sequence[Fault] = SINGLE,
        bursts: Sequence[Fault] = BURSTS,
    ) -> None:  # fmt: skip
        self._share, self._single, self._bursts = share, single, bursts
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._burst: Fault | None = None
        self._left = 0
        self.is_saving = False
        self.met: collections.Counter[str] = collections.Counter()

    def __call__(self, request: Request) -> Fault | None:
        with self._lock:
            fault = self._next()
            if fault is not None:
                self.met[str(fault)] += 1
        return fault

    def _next(self) -> Fault | None:
        if not self.is_saving and self._burst == ENDS_A_START:
            self._left = 0
        if self._left:
            self._left -= 1
            return self._burst
        if self._bursts and self._chance.random() < SHARE_OF_BURSTS:
            bursts = [b for b in self._bursts if self.is_saving or b != ENDS_A_START]
            self._burst, self._left = self._chance.choice(bursts), self._chance.randint(2, 12)
        return self._chance.choice(self._single) if self._chance.random() < self._share else None
