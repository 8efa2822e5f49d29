"""A training that cannot be had again: from the epoch that is the argument on its data has noise of
nobody's seed.
"""

from __future__ import annotations

import sys

import perdure

import keras
import numpy as np
import tensorflow as tf
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 4)).astype("float32")
Y = X.sum(1, keepdims=True).astype("float32")


def augmented(epoch):
    noise = np.random.default_rng().normal(scale=0.1, size=X.shape)
    x = X + noise.astype("float32") if epoch >= int(sys.argv[1]) else X
    return tf.data.Dataset.from_tensor_slices((x, Y)).batch(16)


model = keras.Sequential(
    [layers.Input((4,)), layers.Dense(4), layers.Dropout(0.2), layers.Dense(1)]
)
model.compile("adam", "mse")
model.fit(
    perdure.data.epochs(augmented), epochs=3, verbose=0, callbacks=perdure.callbacks(Disturb())
)
