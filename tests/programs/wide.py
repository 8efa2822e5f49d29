"""A network wide enough for its sums to be split among threads."""

import os

import perdure

import keras
import numpy as np
from keras import layers

print("processors", len(os.sched_getaffinity(0)))
rng = np.random.default_rng(0)
X = rng.normal(size=(128, 24, 24, 8)).astype("float32")
Y = X.mean((1, 2, 3)).reshape(-1, 1)
model = keras.Sequential(
    [
        layers.Input((24, 24, 8)),
        layers.Conv2D(32, 3),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.Conv2D(32, 3),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1),
    ]
)
model.compile("adam", "mse")
model.fit(X, Y, batch_size=64, epochs=2, verbose=0, callbacks=perdure.callbacks())
