"""What is kept of a model so that it can be rebuilt, and what is said where it cannot be."""

from __future__ import annotations

import json
import random
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from perdure import keras_internals
from perdure.state import architecture
from perdure.state.architecture import Architecture


def small(*more: Any) -> Any:
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3), *more, layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def kept(model: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Architecture(model).capture()["json"].tobytes())
    return document


def test_a_model_comes_back_with_how_it_is_compiled():
    model = small(layers.Dropout(0.5))
    back = keras_internals.deserialized(kept(model), {})
    assert [(v.shape, v.dtype) for v in back.variables] == [
        (v.shape, v.dtype) for v in model.variables
    ]
    assert isinstance(back.optimizer, keras.optimizers.Adam)
    assert back.loss == "mse"


def test_a_layer_that_is_used_twice_stays_one():
    shared, given = layers.Dense(4), layers.Input((4,))
    model = keras.Model(given, shared(shared(given)))
    back = keras_internals.deserialized(kept(model), {})
    assert len(back.variables) == len(model.variables) == 2


def test_it_is_serialised_once(monkeypatch):
    of_model = Architecture(small())
    first = of_model.capture()
    monkeypatch.setattr(keras_internals, "serialized", pytest.fail)
    assert of_model.capture() is first


def test_nothing_is_drawn_from_the_process_streams():
    model = small(layers.Dropout(0.5))
    before = random.getstate(), np.random.get_state()[1].tolist()
    kept(model)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


class Unknown(keras.Model):
    def __init__(self, build: Any) -> None:
        super().__init__()
        self.dense = build()

    def call(self, x: Any) -> Any:
        return self.dense(x)


def vocabulary() -> Any:
    lookup = layers.IntegerLookup(name="words")
    lookup.adapt(np.array([3, 4, 5]))
    given = layers.Input((1,), dtype="int64")
    return keras.Model(given, lookup(given))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(
            lambda: Unknown(lambda: layers.Dense(2)), "cannot serialise the model", id="no config"
        ),
        pytest.param(lambda: small(layers.Lambda(lambda x: 2 * x)), "has a lambda", id="lambda"),
        pytest.param(vocabulary, "layer words has a vocabulary", id="vocabulary"),
    ],
)
def test_what_cannot_be_rebuilt_is_said(make, why):
    assert why in Architecture(make()).capture()["missing"]


def test_a_vocabulary_that_is_in_the_config_is_kept():
    given = layers.Input((1,), dtype="int64")
    model = keras.Model(given, layers.IntegerLookup(vocabulary=[3, 4, 5])(given))
    back = keras_internals.deserialized(kept(model), {})
    np.testing.assert_array_equal(back(np.array([[4], [9]])), model(np.array([[4], [9]])))


def test_code_is_never_run():
    model = small(layers.Lambda(lambda x: 2 * x))
    config = architecture._serialized(model)
    with pytest.raises(Exception, match="lambda"):
        keras_internals.deserialized(config, {})
