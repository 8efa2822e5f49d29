"""Keras' callbacks that monitor a value decide the same whenever they were interrupted."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from perdure.state.callbacks import capture, restore

FALLING = [1.0, 0.8, 0.75, 0.72, 0.6, 0.58, 0.57, 0.56, 0.55, 0.1]
RISING = [1 - loss for loss in FALLING]
CASES = [
    pytest.param({"mode": "min"}, "val_loss", FALLING, id="min"),
    pytest.param({"mode": "max"}, "val_accuracy", RISING, id="max"),
    pytest.param({"mode": "auto"}, "val_loss", FALLING, id="auto"),
    pytest.param({"mode": "min", "baseline": 0.7}, "val_loss", FALLING, id="baseline"),
    pytest.param({"mode": "min", "start_from_epoch": 2}, "val_loss", FALLING, id="warm-up"),
]


def stopping(monitor: str, **arguments: Any) -> Any:
    callback = keras.callbacks.EarlyStopping(
        monitor, min_delta=0.1, patience=2, restore_best_weights=True, **arguments
    )
    callback.set_model(SimpleNamespace(stop_training=False, get_weights=list, metrics=[]))
    callback.on_train_begin()
    return callback


def train(callback: Any, values: list[float], first: int = 0) -> None:
    """Epochs until the callback stops the training."""
    for epoch, value in enumerate(values[first:], first):
        if callback.model.stop_training:
            return
        callback.model.get_weights = lambda epoch=epoch: [np.full(2, epoch, np.float32)]
        callback.on_epoch_end(epoch, {callback.monitor: value})


def facts(callback: Any) -> dict[str, Any]:
    names = ("best", "best_epoch", "wait", "stopped_epoch", "min_delta", "monitor_op")
    weights = [array.tolist() for array in callback.best_weights or []]
    return {**{name: getattr(callback, name) for name in names}, "weights": weights}


def resumed(before: Any, after: Any) -> Any:
    tensors: list[Any] = []
    document = json.loads(json.dumps(capture(before, tensors, pytest.fail), allow_nan=False))
    restore(after, document, tensors, pytest.fail)
    after.model.stop_training = before.model.stop_training
    return after


@pytest.mark.parametrize(("arguments", "monitor", "values"), CASES)
@pytest.mark.parametrize("split", range(len(FALLING)))
def test_early_stopping_decides_as_if_it_was_not_interrupted(arguments, monitor, values, split):
    undisturbed = stopping(monitor, **arguments)
    train(undisturbed, values)
    assert undisturbed.stopped_epoch > 0, "the case tests something"
    before = stopping(monitor, **arguments)
    train(before, values[:split])
    after = resumed(before, stopping(monitor, **arguments))
    train(after, values, split)
    assert facts(after) == facts(undisturbed)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_the_sign_of_min_delta_is_flipped_once_only(rounds):
    """Keras flips it when it chooses the operator, which it does at the first epoch's end."""
    callback = stopping("val_loss", mode="min")
    train(callback, FALLING[:1])
    for _ in range(rounds):
        callback = resumed(callback, stopping("val_loss", mode="min"))
    train(callback, FALLING[:2], 1)
    assert callback.min_delta == -0.1


def test_an_operator_that_was_not_chosen_is_chosen_later():
    after = resumed(stopping("val_loss", mode="min"), stopping("val_loss", mode="min"))
    assert (after.monitor_op, after.min_delta) == (None, 0.1)
