"""A script as it was before Perdure, with Keras' own backups, and the one line: `BARE` runs it without."""

from __future__ import annotations

import os

import perdure

import keras
import numpy as np
from disturb import Disturb
from keras import layers

keras.utils.set_random_seed(7)
rng = np.random.default_rng(0)
X = rng.normal(size=(80, 4)).astype("float32")
Y = X.sum(1, keepdims=True).astype("float32")
model = keras.Sequential(
    [layers.Input((4,)), layers.Dense(8), layers.Dropout(0.2), layers.Dense(1)]
)
model.compile("adam", "mse")
callbacks = [
    keras.callbacks.BackupAndRestore("out/backup"),
    keras.callbacks.ModelCheckpoint("out/best.keras", monitor="val_loss", save_best_only=True),
    Disturb(),
]
if os.environ.get("ORBAX"):

    class Orbax(keras.callbacks.OrbaxCheckpoint):
        """One that needs no orbax to be made."""

        def __init__(self):
            self.directory = "out/orbax"

    callbacks.append(Orbax())
if not os.environ.get("BARE"):
    callbacks = perdure.callbacks(callbacks)
history = model.fit(
    X, Y, batch_size=16, epochs=3, verbose=0, validation_split=0.25, callbacks=callbacks
)
print("epochs", history.epoch, len(history.history["val_loss"]))
