"""Several fits in one script: frozen, unfrozen and recompiled, then two folds with models of their own.

`KILL_BETWEEN=n` kills the process after its nth fit has ended, outside of any fit.
"""

from __future__ import annotations

import os
import signal

import perdure

import keras
import numpy as np
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(96, 6)).astype("float32")
Y = X.sum(1, keepdims=True).astype("float32")
ended = 0


def fit(model, rows, epochs):
    global ended
    stopping = keras.callbacks.EarlyStopping(monitor="loss", patience=2, restore_best_weights=True)
    history = model.fit(
        X[rows], Y[rows], batch_size=16, epochs=epochs, verbose=0,
        validation_split=0.2,
        callbacks=perdure.callbacks(stopping, Disturb()),
    )  # fmt: skip
    ended += 1
    if os.environ.get("KILL_BETWEEN") == str(ended):
        os.kill(os.getpid(), signal.SIGKILL)
    return history


base = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dropout(0.2)])
model = keras.Sequential([base, layers.Dense(1)])
base.trainable = False
model.compile(keras.optimizers.Adam(0.05), "mse")
first = fit(model, slice(None), epochs=3)

base.trainable = True
model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse", metrics=["mae"])
second = fit(model, slice(None), epochs=2)

scores = []
for fold in range(2):
    rows = np.arange(len(X)) % 2 == fold
    other = keras.Sequential(
        [layers.Dense(4, activation="relu"), layers.Dropout(0.2), layers.Dense(1)]
    )
    other.compile("adam", "mse")
    scores += fit(other, rows, epochs=2).history["val_loss"]

print("losses", first.history["loss"], second.history["mae"], scores)
print("weights", [float(np.sum(w)) for w in model.get_weights()])
