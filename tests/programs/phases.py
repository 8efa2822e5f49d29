"""Sends itself SIGTERM in the phase named by `PHASE`, once per process."""

from __future__ import annotations

import os
import signal
import time

import perdure

import keras
import numpy as np
import tensorflow as tf
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 4)).astype("float32")
Y = X.sum(1, keepdims=True).astype("float32")
phase = os.environ.get("PHASE", "")


def reach(name, seconds=0.0):
    """The phase `name` is reached: it is left at once, or after a long call."""
    global phase
    if phase == name:
        phase = ""
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)


class Telling(layers.Layer):
    """Its Python code runs while TensorFlow traces; its function runs inside the step."""

    def call(self, x):
        reach("compile", seconds=20)
        told = tf.numpy_function(self._inside, [x], tf.float32)
        return tf.ensure_shape(told, x.shape)

    def _inside(self, x):
        if os.environ.get("STEPS_BEFORE", "0") == str(seen.batches):
            reach("step", seconds=20)
        return x


class Seen(keras.callbacks.Callback):
    """Where training stands in this process."""

    batches = 0

    def get_state(self):
        return None

    def set_state(self, state):
        pass

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_test_batch_begin(self, batch, logs=None):
        if batch == 1:
            reach("validation")

    def on_epoch_end(self, epoch, logs=None):
        reach("epoch end")


def batches():
    for i in range(0, len(X), 8):
        if os.environ.get("PHASE") == "replay" and seen.batches == 0 and i == 16:
            reach("replay")
            time.sleep(1.5)
        yield X[i : i + 8], Y[i : i + 8]


class Calling(keras.callbacks.Callback):
    """Reaches a phase in a batch of evaluate or predict."""

    def on_test_batch_begin(self, batch, logs=None):
        reach("evaluate")

    def on_predict_batch_begin(self, batch, logs=None):
        reach("predict")


seen = Seen()
spec = (tf.TensorSpec((None, 4), tf.float32), tf.TensorSpec((None, 1), tf.float32))
data = tf.data.Dataset.from_generator(batches, output_signature=spec)
model = keras.Sequential(
    [layers.Input((4,)), Telling(), layers.Dense(4), layers.Dropout(0.2), layers.Dense(1)]
)
model.compile("adam", "mse", steps_per_execution=1)
model.fit(
    data, epochs=3, verbose=1, validation_data=(X, Y), validation_batch_size=16,
    callbacks=perdure.callbacks(seen, Disturb()),
)  # fmt: skip
reach("script", seconds=20)
print("evaluated", model.evaluate(X, Y, verbose=0, callbacks=perdure.callbacks(Calling())))
print("predicted", model.predict(X, verbose=0, callbacks=perdure.callbacks(Calling())).sum())
