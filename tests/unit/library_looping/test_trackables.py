"""What a loop can be given, and what of it is saved."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from perdure.errors import Refused
from perdure.looping import objects
from perdure.looping.trackables import Trackables
from perdure.state.codec import decode, encode

layers = keras.layers


def built(*units: int) -> Any:
    return keras.Sequential([layers.Input((3,)), *(layers.Dense(n) for n in units)])


def groups(trackables: Trackables) -> dict[str, list[str]]:
    return {
        name: [group for group, _, _ in entries] for name, entries in trackables.by_name().items()
    }


def test_variables_of_every_kind():
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    found = Trackables({
        "model": built(1), "layer": layers.BatchNormalization(), "optimizer": keras.optimizers.SGD(),
        "metric": keras.metrics.Mean(), "variable": keras.Variable(1.0), "plain": tf.Variable(1.0),
        "seed": keras.random.SeedGenerator(1), "generator": tf.random.Generator.from_seed(1),
        "module": module,
    })  # fmt: skip
    assert groups(found) == {
        "model": ["model"] * 2, "layer": [], "optimizer": ["optimizer"] * 2, "metric": ["metrics"] * 2,
        "variable": ["model"], "plain": ["model"], "seed": ["model"], "generator": ["model"],
        "module": ["model"],
    }  # fmt: skip


def test_containers_of_them_are_taken_apart_and_containers_of_data_are_not():
    found = Trackables({
        "parts": {"one": built(1), "two": built(2)}, "metrics": [keras.metrics.Mean()],
        "state": {"best": 1.0}, "losses": [], "streams": (random.Random(1), np.random.default_rng(1)),
    })  # fmt: skip
    assert list(found.by_name()) == ["parts/one", "parts/two", "metrics/0"]
    assert list(found.objects) == ["state", "losses", "streams/0", "streams/1"]
    assert len(found.models) == 2


def test_a_variable_that_two_have_is_saved_once():
    model = built(1)
    model.compile(keras.optimizers.Adam())
    found = Trackables({"model": model, "optimizer": model.optimizer, "layer": model.layers[0]})
    counts = {name: len(entries) for name, entries in found.by_name().items()}
    assert (counts["optimizer"], counts["layer"]) == (0, 0)
    assert len(found.optimizers) == 1


@pytest.mark.parametrize(
    ("given", "received"),
    [
        ({}, "nothing"),
        ({"state": {}}, "state"),
        ({"value": tf.Variable(1.0), "best": 1.0}, r"best, a builtins\.float"),
        ({"value": tf.Variable(1.0), "file": {"file": print}}, "file, whose state has a builtins"),
        ({"value": tf.Variable(1.0), "loss": keras.losses.MeanSquaredError()}, "loss, a keras"),
    ],
)
def test_what_has_no_state_that_could_be_saved_is_refused(given, received):
    with pytest.raises(TypeError, match=f"Received: {received}"):
        Trackables(given)


def test_an_optimizer_is_built_for_what_it_was_built_for():
    """The order of its slots is that of the variables which it was first applied to."""
    one, other = ([built(2, 1), keras.optimizers.Adam()] for _ in range(2))
    one[1].build(list(reversed(one[0].trainable_variables)))
    trained = Trackables({"model": one[0], "optimizer": one[1]}).trained()
    found = Trackables({"model": other[0], "optimizer": other[1]})
    assert found.trained() == [None]
    found.build_optimizers(trained)
    shapes = [[tuple(v.shape) for v in optimizer.variables] for _, optimizer in (one, other)]
    assert shapes[0] == shapes[1]
    assert found.trained() == trained == [[3, 2, 1, 0]]


def test_an_optimizer_of_a_model_that_was_not_given_is_refused():
    model, optimizer = built(1), keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    with pytest.raises(Refused) as refused:
        Trackables({"optimizer": optimizer}).trained()
    assert "Give its model to the loop too" in refused.value.message


class Counter:
    """By the protocol."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get_state(self) -> Any:
        return {"value": self.value}

    def set_state(self, state: Any) -> None:
        self.value = state["value"]


MAKERS = {
    "dict": lambda seed: {"best": float(seed), "seen": {1, seed}, "array": np.full(3, seed)},
    "list": lambda seed: [seed, (seed, float("nan"))],
    "PCG64": np.random.default_rng,
    "MT19937": lambda seed: np.random.Generator(np.random.MT19937(seed)),
    "RandomState": np.random.RandomState,
    "Random": random.Random,
    "protocol": Counter,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_objects_come_back_in_place(make):
    arrays: list[Any] = []
    one, other = make(3), make(4)
    for used in (one, other):
        if hasattr(used, "normal"):
            used.normal()
    state = encode(objects.state_of(one), arrays)
    objects.put_back(other, decode(state, arrays))
    assert repr(objects.state_of(other)) == repr(objects.state_of(one))
