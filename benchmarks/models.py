"""Models of a given size for the benchmarks: weights and optimizer slots together."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

FLOAT_BYTES = 4
ROW = 64


def dense(megabytes: int, variables: int) -> keras.Model:
    """About so many variables in stacked layers under Adam, which has two slots for each weight."""
    count = max(1, variables // 6)  # kernel and bias, and two slots of each
    width = int((megabytes * 1e6 / FLOAT_BYTES / 3 / count) ** 0.5)
    stack = [layers.Dense(width, activation="relu") for _ in range(count)]
    return _compiled([layers.Input((width,)), *stack], "adam")


def sparse(megabytes: int, optimizer: str) -> keras.Model:
    """One embedding of so many megabytes, whose rows are updated by themselves; slots are as large again."""
    rows = int(megabytes * 1e6 / FLOAT_BYTES / ROW)
    return _compiled([layers.Input((8,), dtype="int32"), layers.Embedding(rows, ROW)], optimizer)


def _compiled(stack: list[object], optimizer: str) -> keras.Model:
    model = keras.Sequential(stack)
    model.compile(optimizer, "mse", jit_compile=False)
    return model


def batches(model: keras.Model, rows: int = 2) -> tf.data.Dataset:
    """The same batch again and again."""
    random = np.random.default_rng(0)
    shape, kind = (rows, *model.inputs[0].shape[1:]), model.inputs[0].dtype
    x = random.normal(size=shape) if kind == "float32" else random.integers(0, 1000, shape)
    y = np.zeros((rows, *model.outputs[0].shape[1:]), "float32")
    return tf.data.Dataset.from_tensors((x.astype(kind), y)).repeat()
