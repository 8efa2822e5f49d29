"""A snapshot that is held stays what it was, whatever the steps after it write and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, optimizers

from perdure.state.reader import VariableReader
from perdure.state.variables import variables_of

pytestmark = pytest.mark.slow

STEPS = 6
ROWS = 50


def dense() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )


def batch_normalized() -> keras.Model:
    return keras.Sequential(
        [layers.Input((8,)), layers.Dense(16), layers.BatchNormalization(), layers.Dense(1)]
    )


def embedded() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((4,), dtype="int32"),
            layers.Embedding(ROWS, 8),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def frozen() -> keras.Model:
    model = dense()
    model.layers[0].trainable = False
    return model


def shared() -> keras.Model:
    one, other = layers.Input((8,)), layers.Input((8,))
    both = layers.Dense(4, name="shared")
    out = layers.Dense(1)(layers.Add()([both(one), both(other)]))
    return keras.Model([one, other], out)


def half_precision() -> keras.Model:
    policy = keras.mixed_precision.DTypePolicy("mixed_float16")
    return keras.Sequential([layers.Input((8,)), layers.Dense(16, dtype=policy), layers.Dense(1)])


def brain_floats() -> keras.Model:
    return keras.Sequential(
        [layers.Input((8,)), layers.Dense(16, dtype="bfloat16"), layers.Dense(1)]
    )


def data(model: keras.Model) -> tf.data.Dataset:
    random = np.random.default_rng(0)
    inputs = tuple(
        random.integers(0, ROWS, (32, *x.shape[1:])).astype("int32")
        if "int" in str(x.dtype)
        else random.normal(size=(32, *x.shape[1:])).astype("float32")
        for x in model.inputs
    )
    x = inputs if len(inputs) > 1 else inputs[0]
    y = random.normal(size=(32, 1)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat()


CASES: dict[str, tuple[Callable[[], keras.Model], Callable[[], Any], dict[str, Any]]] = {
    "SGD": (dense, lambda: optimizers.SGD(0.1), {}),
    "momentum": (dense, lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True), {}),
    "Adam": (dense, lambda: optimizers.Adam(0.1), {}),
    "AMSGrad": (dense, lambda: optimizers.Adam(0.1, amsgrad=True), {}),
    "AdamW": (dense, lambda: optimizers.AdamW(0.1), {}),
    "Lion": (dense, lambda: optimizers.Lion(0.1), {}),
    "RMSprop": (dense, lambda: optimizers.RMSprop(0.1, momentum=0.5, centered=True), {}),
    "Adagrad": (dense, lambda: optimizers.Adagrad(0.1), {}),
    "Ftrl": (dense, lambda: optimizers.Ftrl(0.1), {}),
    "EMA": (dense, lambda: optimizers.Adam(0.1, use_ema=True, ema_overwrite_frequency=3), {}),
    "accumulation": (dense, lambda: optimizers.Adam(0.1, gradient_accumulation_steps=2), {}),
    "compiled by XLA": (dense, lambda: optimizers.Adam(0.1), {"jit_compile": True}),
    "several steps a call": (dense, lambda: optimizers.Adam(0.1), {"steps_per_execution": 3}),
    "run eagerly": (dense, lambda: optimizers.Adam(0.1), {"run_eagerly": True}),
    "BatchNormalization": (batch_normalized, lambda: optimizers.Adam(0.1), {}),
    "BatchNormalization, XLA": (
        batch_normalized,
        lambda: optimizers.SGD(0.1),
        {"jit_compile": True},
    ),
    "embedding, SGD": (embedded, lambda: optimizers.SGD(0.1), {}),
    "embedding, momentum": (embedded, lambda: optimizers.SGD(0.1, momentum=0.9), {}),
    "embedding, Adam": (embedded, lambda: optimizers.Adam(0.1), {}),
    "embedding, Adagrad": (embedded, lambda: optimizers.Adagrad(0.1), {}),
    "frozen layer": (frozen, lambda: optimizers.Adam(0.1), {}),
    "shared layer": (shared, lambda: optimizers.Adam(0.1), {}),
    "loss scaling": (
        half_precision,
        lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.1), dynamic_growth_steps=2),
        {},
    ),
    "bfloat16": (brain_floats, lambda: optimizers.Adam(0.1), {}),
}


def deep_copy(model: keras.Model) -> list[bytes]:
    """The values, each read by itself and copied."""
    return [entry.variable.numpy().tobytes() for entry in variables_of(model)]


THROUGH_HOST = ("Adam", "embedding, Adam", "bfloat16")


@pytest.mark.parametrize(
    ("case", "through_host"),
    [
        *(pytest.param(case, False, id=name) for name, case in CASES.items()),
        *(pytest.param(CASES[n], True, id=f"{n}, through the host") for n in THROUGH_HOST),
    ],
)
def test_a_held_snapshot_stays_what_it_was(case, through_host):
    build, optimizer, arguments = case
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(optimizer(), "mse", metrics=["mae"], **{"jit_compile": False, **arguments})
    batches = data(model)
    model.fit(batches, steps_per_epoch=STEPS, verbose=0)
    reader = VariableReader()
    for _ in range(
        2
    ):  # the second time nothing is traced, and sparse variables are in another mode
        tensors = reader.read(model, through_host=through_host)
        before = deep_copy(model)
        model.fit(batches, steps_per_epoch=STEPS, verbose=0)
        held = [tensor.read() for tensor in tensors]
        assert [array.tobytes() for array in held] == before
        assert deep_copy(model) != before, "the steps wrote nothing"
        assert [array.shape for array in held] == [
            tuple(entry.variable.shape) for entry in variables_of(model)
        ]


def test_what_is_read_is_no_copy_and_outlives_its_tensor():
    model = dense()
    model.compile("adam", "mse")
    (first, *_) = VariableReader().read(model)
    array = first.read()
    variable = variables_of(model)[0].variable
    assert np.shares_memory(array, np.asarray(memoryview(variable.read_value())))
    assert not array.flags.writeable
    del first
    variable.assign_add(tf.ones_like(variable))
    assert (array + 1 == variable.numpy()).all()


def test_a_variable_that_comes_later_is_read_too():
    model = dense()
    model.compile("adam", "mse")
    reader = VariableReader()
    before = len(reader.read(model))
    model.fit(data(model), steps_per_epoch=1, verbose=0)
    assert len(reader.read(model)) == len(variables_of(model)) > before
