"""Fingerprints of steps: which tensors changed, at which steps, in how many rows."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from perdure import fingerprints
from perdure.fingerprints import Fingerprints
from perdure.state.codec import decode, encode


@pytest.fixture(scope="module")
def model() -> keras.Model:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def begun(model: keras.Model) -> Fingerprints:
    callback = Fingerprints()
    callback.set_model(model)
    callback.on_train_begin()
    return callback


def train(callback: Fingerprints, epoch: int, batches: range) -> None:
    if batches.start == 0:
        callback.on_epoch_begin(epoch)
    for batch in batches:
        callback.on_train_batch_end(batch)


def rows(callback: Fingerprints) -> list[list[int]]:
    state = callback.get_state()
    ends = np.cumsum(state["sizes"])
    return [row.tolist() for row in np.split(state["digests"], ends[:-1])]


def test_a_row_differs_in_the_tensor_that_was_changed(model):
    callback = begun(model)
    train(callback, 0, range(2))
    model.layers[0].bias.assign([1.0, 2.0, 3.0])
    train(callback, 1, range(1))
    state = callback.get_state()
    assert state["places"].tolist() == [[1, 0, 1], [2, 0, 2], [3, 1, 1]]
    one, two, three = rows(callback)
    assert one == two
    differing = [p for p, a, b in zip(state["paths"], two, three, strict=True) if a != b]
    assert [path.split("/")[-1] for path in differing] == ["bias"]


def test_rows_are_thinned_and_those_of_later_steps_are_fewer(model, monkeypatch):
    monkeypatch.setattr(fingerprints, "MOST_ROWS", 4)
    callback = begun(model)
    train(callback, 0, range(11))
    assert callback.get_state()["places"][:, 0].tolist() == [4, 8]
    train(callback, 0, range(11, 12))
    assert callback.get_state()["places"][:, 0].tolist() == [4, 8, 12]


def test_a_step_of_several_batches_counts_them(model):
    callback = begun(model)
    callback.on_epoch_begin(0)
    for batch in (3, 7, 9):
        callback.on_train_batch_end(batch)
    assert callback.get_state()["places"].tolist() == [[4, 0, 4], [8, 0, 8], [10, 0, 10]]


@pytest.mark.parametrize("steps", [0, 3, 6])
def test_a_resumed_one_goes_on_where_the_dead_one_was(model, monkeypatch, steps):
    monkeypatch.setattr(fingerprints, "MOST_ROWS", 4)
    undisturbed, dead, resumed = begun(model), begun(model), begun(model)
    train(undisturbed, 2, range(9))
    train(dead, 2, range(steps))
    arrays: list[np.ndarray] = []
    saved = encode(dead.get_state(), arrays)
    resumed.set_state(decode(saved, arrays))
    train(resumed, 2, range(steps, 9))
    assert resumed.get_state()["places"].tolist() == undisturbed.get_state()["places"].tolist()
    assert rows(resumed) == rows(undisturbed)


def test_a_fit_begins_without_the_rows_of_the_one_before(model):
    callback = begun(model)
    train(callback, 0, range(3))
    callback.on_train_begin()
    train(callback, 0, range(1))
    assert callback.get_state()["places"].tolist() == [[1, 0, 1]]
