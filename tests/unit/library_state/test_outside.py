"""What callbacks' functions change outside of them is noticed, and what they only read is not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest

from perdure.state.outside import Outside

TABLE = {0: 0.1, 1: 0.01}
LARGE = np.zeros(1_000_000)
count = 0
seen: list[int] = []


def calling(function: Callable[..., Any]) -> Any:
    return keras.callbacks.LambdaCallback(on_epoch_end=function)


def closure_list() -> Any:
    losses: list[Any] = []
    return calling(lambda epoch, logs: losses.append(logs))


def closure_number() -> Any:
    number = 0

    def add(epoch, logs):
        nonlocal number
        number += 1

    return calling(add)


def closure_random() -> Any:
    stream = np.random.default_rng(1)
    return calling(lambda epoch, logs: stream.random())


def closure_iterator() -> Any:
    numbers = itertools.count()
    return calling(lambda epoch, logs: next(numbers))


def in_a_partial() -> Any:
    cache: dict[int, Any] = {}
    return calling(partial(lambda key, epoch, logs: cache.update({key: logs}), 1))


def add_to_count(epoch, logs):
    global count  # noqa: PLW0603
    count += 1


def append_to_seen(epoch):
    seen.append(epoch)


class CallsAFunction(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        append_to_seen(epoch)


CHANGING = {
    "losses": closure_list, "number": closure_number, "stream": closure_random,
    "numbers": closure_iterator, "cache": in_a_partial, "count": lambda: calling(add_to_count),
    "seen": CallsAFunction,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_is_named_once(name):
    callback = CHANGING[name]()
    outside = Outside(callback)
    assert outside.take_changed() == (["numbers"] if name == "numbers" else [])
    callback.on_epoch_end(0, {})
    assert outside.take_changed() == ([] if name == "numbers" else [name])
    callback.on_epoch_end(1, {})
    assert outside.take_changed() == []


def table_closure() -> Any:
    rates = [0.1, 0.01]
    return keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch] + LARGE[epoch])


class Reads(keras.callbacks.Callback):
    """Changes nothing but itself."""

    total = 0.0

    def on_epoch_end(self, epoch, logs=None):
        self.total += TABLE[epoch] + len(LARGE) + np.sum([epoch])


class Shares(keras.callbacks.Callback):
    """Holds what the script holds too: it is saved with the callback, and put back in place."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = seen

    def on_epoch_end(self, epoch, logs=None):
        seen.append(epoch)


@pytest.mark.parametrize(
    "make", [table_closure, Reads, Shares, keras.callbacks.EarlyStopping, keras.callbacks.History]
)
def test_what_is_only_read_is_not(make):
    callback = make()
    outside = Outside(callback)
    if hasattr(callback, "schedule"):
        callback.schedule(1)
    elif isinstance(callback, Reads | Shares):
        callback.on_epoch_end(1)
    assert outside.take_changed() == []
