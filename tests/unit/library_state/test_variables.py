"""What of a model is saved: also what Keras does not list, and which layers are trained."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from perdure.state.trained_layers import TrainedLayers
from perdure.state.variables import is_of_other_replica, listed


def states_of(model: Any) -> list[Any]:
    return [variable for group, _, variable in listed(model) if group == "states"]


def test_states_of_recurrent_layers_are_saved():
    rnn = layers.LSTM(2, stateful=True)
    model = keras.Sequential([layers.Input(batch_shape=(2, 3, 4)), rnn, layers.Dense(1)])
    assert all(found is state for found, state in zip(states_of(model), rnn.states, strict=True))


def test_what_keras_lists_is_saved_once():
    model = keras.Sequential([layers.Input((4,)), layers.Dense(2), layers.BatchNormalization()])
    model.compile("adam", "mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    found = [id(variable) for _, _, variable in listed(model)]
    assert len(found) == len(set(found))
    assert states_of(model) == []


def test_rows_of_other_replicas():
    assert is_of_other_replica("dense/kernel on replica 1")
    assert not is_of_other_replica("dense/kernel")
    assert not is_of_other_replica("on replica/kernel")


def net() -> Any:
    model = keras.Sequential([layers.Dense(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def flags(model: Any) -> list[bool]:
    return [layer.trainable for layer in model.layers]


def trained(first: list[bool], then: list[bool], now: list[bool]) -> dict[str, list[bool]]:
    """The state of a fit whose callbacks gave these flags: at first, to a second function, and after that."""
    model = net()
    trained = TrainedLayers(model)
    for given in (first, then):
        model.layers[0].trainable, model.layers[1].trainable = given
        trained.trace_begins()
        model.build((1, 2))
        trained.traced()
    model.layers[0].trainable, model.layers[1].trainable = now
    return trained.to_state()


def test_a_resumed_fit_has_the_flags_of_each_time():
    state = trained([True, False], [False, True], [True, True])
    model = net()
    resumed = TrainedLayers(model)
    resumed.begin(state)
    assert flags(model) == [True, False]
    model.build((1, 2))
    assert resumed.restore(state)
    assert flags(model) == [False, True]
    resumed.traced()
    assert flags(model) == [True, True]
    assert resumed.to_state() == state


def test_one_function_stays_as_it_is():
    state = trained([False, True], [False, True], [True, False])
    model = net()
    resumed = TrainedLayers(model)
    resumed.begin(state)
    model.build((1, 2))
    assert not resumed.restore(state)
    assert model.train_function is None
    assert flags(model) == [True, False]
    assert resumed.to_state() == state
