"""Trains on the lines of all files in the folder that the argument names, two numbers in each line."""

from __future__ import annotations

import sys
from pathlib import Path

import perdure

import keras
import tensorflow as tf
from disturb import Disturb


def parsed(line):
    numbers = tf.strings.to_number(tf.strings.split(line))
    return numbers[:1], numbers[1:]


names = sorted(str(path) for path in Path(sys.argv[1]).iterdir())
lines = tf.data.Dataset.from_tensor_slices(names).interleave(tf.data.TextLineDataset)
train = lines.map(parsed).shuffle(8, seed=3).batch(4)
validation = tf.data.TextLineDataset(names[0]).map(parsed).ignore_errors().batch(4)
model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(
    train, epochs=3, validation_data=validation, verbose=2, callbacks=perdure.callbacks(Disturb())
)
