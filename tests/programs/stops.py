"""Trainings that end before their last epoch; the argument names how."""

from __future__ import annotations

import os
import sys

import perdure

import keras
import numpy as np
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(48, 4)).astype("float32")
Y = X.sum(1, keepdims=True).astype("float32")


class Stops(keras.callbacks.Callback):
    """Stops after the third epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 2


class Diverges(keras.callbacks.Callback):
    """Makes the weights NaN."""

    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations.numpy() == int(os.environ.get("NAN_AT", "8")):
            self.model.set_weights([np.full_like(w, np.nan) for w in self.model.get_weights()])


def early():
    """The loss falls, so that of the first epoch that counts stays the best."""
    patience = int(os.environ.get("PATIENCE", "1"))
    return [keras.callbacks.EarlyStopping("loss", patience=patience, mode="max", start_from_epoch=1,
                                          restore_best_weights=True)]  # fmt: skip


def own():
    return [Stops()]


def nan():
    return [Diverges(), keras.callbacks.TerminateOnNaN()]


def nan_raised():
    return [Diverges(), keras.callbacks.TerminateOnNaN(raise_error=True)]


model = keras.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.01), "mse")
model.fit(
    X, Y, batch_size=8, epochs=8, verbose=0,
    callbacks=perdure.callbacks(globals()[sys.argv[1]](), Disturb()),
)  # fmt: skip
print("went on after fit", flush=True)
