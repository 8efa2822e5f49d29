"""A network wide enough for its sums to be split among threads."""

import os

import perdure

import keras
import numpy as np
from keras import layers

print("processors", len(os.sched_getaffinity(0)))
rng = np.random.default_rng(0)
X = rng.normal(size=(512, 512)).astype("float32")
Y = X[:, :8].sum(1, keepdims=True).astype("float32")
model = keras.Sequential(
    [layers.Input((512,)), layers.Dense(512, activation="relu"), layers.Dense(1)]
)
model.compile("adam", "mse")
model.fit(X, Y, batch_size=256, epochs=3, verbose=0, callbacks=perdure.callbacks())
