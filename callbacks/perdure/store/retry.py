"""Asking again until a deadline: a store that is away for a minute must not end a training."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from perdure.store.errors import Unavailable
from perdure.store.interface import MOST_BYTES, Data, Store

FIRST_PAUSE_SECONDS = 0.2
MOST_PAUSE_SECONDS = 10.0
JITTER_SECONDS = 0.5  # workers of one job should not all come back at once

T = TypeVar("T")
OnRetry = Callable[[Unavailable, float], None]


def until_deadline(
    store: Store,
    seconds: float,
    *,
    on_retry: OnRetry | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Store:
    """A store like `store` whose every call is repeated while it is `Unavailable`, for `seconds`.

    Then `Unavailable` is raised with how long was tried; what can never work is raised at once. A
    call that is under way at the deadline is not cut off: the time limits of the store's clients
    end it. `on_retry` is told the failure and for how many seconds the call has been tried.
    """
    return _Patient(store, seconds, on_retry or (lambda _error, _seconds: None), sleep)


class _Patient:
    def __init__(
        self, store: Store, seconds: float, on_retry: OnRetry, sleep: Callable[[float], None]
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._on_retry = on_retry
        self._pause = wait_exponential(FIRST_PAUSE_SECONDS, MOST_PAUSE_SECONDS)
        # tenacity's own jitter draws from the global stream, which belongs to the training
        self._jitter = random.Random()  # noqa: S311
        self._retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            stop=stop_after_delay(seconds),
            wait=self._wait,
            sleep=sleep,
            before_sleep=self._told,
            retry_error_callback=self._give_up,
        )

    @property
    def url(self) -> str:
        return self._store.url

    def get(self, key: str, most_bytes: int = MOST_BYTES) -> Data:
        return self._call(self._store.get, key, most_bytes)

    def put(self, key: str, data: Data) -> str | None:
        return self._call(self._store.put, key, data)

    def create(self, key: str, data: Data) -> None:
        self._call(self._store.create, key, data)

    def list(self, prefix: str) -> dict[str, int]:
        return self._call(self._store.list, prefix)

    def delete(self, key: str) -> None:
        self._call(self._store.delete, key)

    def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return self._retrying(function, *arguments)

    def _wait(self, state: RetryCallState) -> float:
        """Pause longer each time, but try a last time at the deadline, not give up before it."""
        pause = self._pause(state) + self._jitter.uniform(0, JITTER_SECONDS)
        return max(0.0, min(pause, self._seconds - (state.seconds_since_start or 0)))

    def _told(self, state: RetryCallState) -> None:
        self._on_retry(_error(state), state.seconds_since_start or 0)

    def _give_up(self, state: RetryCallState) -> NoReturn:
        error = _error(state)
        tries = f"{state.attempt_number} tries in {state.seconds_since_start or 0:.0f} s"
        raise Unavailable(f"{error} Given up after {tries}.") from error


def _error(state: RetryCallState) -> Unavailable:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Unavailable), "only Unavailable is retried"
    return error
