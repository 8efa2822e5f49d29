"""What came of a fit: stopped early or not, and its best epoch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from perdure.contract.environment import Keep
from perdure.contract.status import Ending
from perdure.fitting.position import Position
from perdure.fitting.result import Outcome

HISTORY = {
    "loss": [3.0, 1.0, 2.0],
    "val_loss": [5.0, float("nan"), 4.0],
    "accuracy": [0.1, 0.2, 0.9],
}


def stopping(stopped_epoch: int = 0, **known: Any) -> Any:
    callback = keras.callbacks.EarlyStopping("val_loss")
    callback.on_train_begin()
    vars(callback).update({"stopped_epoch": stopped_epoch, **known})
    return callback


def outcome(
    *callbacks: Any, epoch: int = 2, batch: int = 4, epochs: int = 9, steps: int | None = 4,
    keep: str = "last=3", history: Any = HISTORY, is_stopped: bool = True, in_batch: bool = False,
) -> Ending:  # fmt: skip
    model = SimpleNamespace(stop_training=is_stopped)
    at = Position(0, 12)
    at.epoch, at.batch = epoch, batch
    made = Outcome(model, callbacks, {"epochs": epochs, "steps": steps}, Keep.parse(keep))
    return made.of(at, SimpleNamespace(history=history, epoch=[0, 1, 2]), in_batch=in_batch)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "EarlyStopped"),
        ({"is_stopped": False}, "Finished"),
        ({"epochs": 3}, "Finished"),
        ({"epochs": 3, "in_batch": True}, "Finished"),
        ({"epochs": 3, "in_batch": True, "batch": 3}, "EarlyStopped"),
        ({"epochs": 3, "in_batch": True, "steps": None}, "EarlyStopped"),
    ],
)
def test_it_is_early_where_something_was_left_to_train(fields, reason):
    ending = outcome(**fields)
    assert (ending.code, ending.reason) == (0, reason)
    assert (ending.message == "") is (reason == "Finished")


def best(ending: Ending) -> tuple[Any, ...]:
    return ending.monitor, ending.best_epoch, ending.best_value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("val_loss", 2, "4.0")),
        ({"keep": "last=3,best=accuracy:max"}, ("accuracy", 2, "0.9")),
        ({"keep": "last=3,best=loss:max"}, ("loss", 0, "3.0")),
        ({"history": {"loss": [3.0, 1.0, 2.0], "val_loss": [9.0]}}, ("loss", 1, "1.0")),
        (
            {"keep": "last=3,best=val_loss:min", "history": {"val_loss": [9.0]}},
            ("val_loss", None, "9.0"),
        ),
        ({"history": {"loss": [float("nan")] * 3}}, (None, None, None)),
        ({"history": {"loss": [np.zeros(2)] * 3}}, (None, None, None)),
        ({"history": {}}, (None, None, None)),
        ({"is_stopped": False}, ("val_loss", 2, "4.0")),
    ],
)
def test_the_best_of_the_history(fields, expected):
    assert best(outcome(**fields)) == expected


def test_the_best_is_that_of_the_early_stopping_that_stopped_it():
    first, second = (
        stopping(best=0.5, best_epoch=0),
        stopping(2, best=np.float32(0.25), best_epoch=1),
    )
    ending = outcome(first, second)
    assert best(ending) == ("val_loss", 1, "0.25")
    assert ending.message == (
        "EarlyStopping stopped training in epoch 2 (from 0) of 9; the best val_loss was 0.25 in epoch 1"
    )


def test_an_early_stopping_that_has_not_stopped_it_knows_the_best_too():
    ending = outcome(stopping(best=0.5, best_epoch=0))
    assert best(ending) == ("val_loss", 0, "0.5")
    assert "a callback or a request" in ending.message


def test_an_early_stopping_that_has_seen_nothing_does_not():
    assert best(outcome(stopping())) == ("val_loss", 2, "4.0")
