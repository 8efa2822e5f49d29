"""The smallest training; `WIDTH`, `EPOCHS`, `PAUSE` and `MONITOR` change it."""

from __future__ import annotations

import os
import time

import perdure

import keras
import numpy as np
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 4)).astype("float32")
Y = X.sum(1, keepdims=True).astype("float32")


class Pause(keras.callbacks.Callback):
    """Makes a step take as long as a test needs."""

    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(float(os.environ.get("PAUSE", "0")))


width = int(os.environ.get("WIDTH", "4"))
model = keras.Sequential(
    [layers.Input((4,)), layers.Dense(width), layers.Dropout(0.2), layers.Dense(1)]
)
model.compile("adam", "mse")
model.fit(
    X, Y, batch_size=8, epochs=int(os.environ.get("EPOCHS", "3")), verbose=1,
    callbacks=perdure.callbacks(Pause(), Disturb()),
)  # fmt: skip
print("done", flush=True)
