"""Trains a small network on data given in one of the ways that `fit` takes, named by the argument."""

from __future__ import annotations

import sys

import perdure

import keras
import numpy as np
import tensorflow as tf
from disturb import Disturb
from keras import layers

EPOCHS, BATCH = 4, 16
rng = np.random.default_rng(0)
X = rng.normal(size=(250, 8)).astype("float32")
Y = (X[:, :4].sum(1) > X[:, 4:].sum(1)).astype("int32")
VAL = (X[200:], Y[200:])
X, Y = X[:200], Y[:200]  # 13 batches, the last one smaller


def array_shuffled():
    return {"x": X, "y": Y, "batch_size": BATCH}


def array_in_order():
    return {"x": X, "y": Y, "batch_size": BATCH, "shuffle": False}


def array_seeded_by_script():
    keras.utils.set_random_seed(5)
    return {"x": X, "y": Y, "batch_size": BATCH}


def py_dataset():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 13

        def __getitem__(self, i):
            noise = np.random.normal(
                scale=0.1, size=X[:BATCH].shape
            )  # draws from the global stream
            rows = slice(i * BATCH, (i + 1) * BATCH)
            return (X[rows] + noise[: len(X[rows])]).astype("float32"), Y[rows]

    return {"x": Batches(), "shuffle": True}


def tf_data():
    return {
        "x": tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(64, seed=3).batch(BATCH).prefetch(2)
    }


def tf_data_split():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(200, seed=3)
    return {
        "x": data.take(160).batch(BATCH),
        "validation_data": data.skip(160).batch(BATCH),
    }


def tf_data_endless():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(64, seed=3).repeat().batch(BATCH)
    return {"x": data, "steps_per_epoch": 10}


def tf_data_cached():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(200, seed=3).batch(BATCH).cache()
    return {"x": data}


def tf_data_of_unknown_length():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(64, seed=3)
    return {"x": data.filter(lambda x, _: x[0] > -1.5).batch(BATCH)}


def tf_data_with_state():
    """Augmentation that draws from states of its own, which go on over epochs."""
    noise, generator = layers.GaussianNoise(0.1, seed=3), tf.random.Generator.from_seed(7)

    def augmented(x, y):
        return noise(x, training=True) * generator.uniform((), 0.9, 1.1), y

    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(64, seed=3).batch(BATCH)
    return {"x": data.map(augmented)}


def index_first():
    return {"x": perdure.data.arrays((X, Y), batch_size=BATCH)}


def factory():
    def epoch_of(epoch):
        data = tf.data.Dataset.from_tensor_slices((X, Y))
        return data.shuffle(64, seed=100 + epoch, reshuffle_each_iteration=False).batch(BATCH)

    return {"x": perdure.data.epochs(epoch_of)}


def generator():
    def batches():
        order = np.random.default_rng(1)
        while True:
            rows = order.integers(0, len(X), BATCH)
            yield X[rows], Y[rows]

    return {"x": batches(), "steps_per_epoch": 10}


class Counter(keras.callbacks.Callback):
    """A callback of one's own, whose attributes are its state."""

    def __init__(self):
        super().__init__()
        self.seen, self.losses = 0, []

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])
        logs["seen"] = self.seen


def main():
    model = keras.Sequential(
        [
            layers.Dense(16),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(0.3),
            layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    arguments = {"validation_data": VAL, **globals()[sys.argv[1]]()}
    stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    model.fit(
        **arguments,
        epochs=EPOCHS,
        verbose=2,
        callbacks=perdure.callbacks(Counter(), stopping, Disturb()),
    )


if __name__ == "__main__":
    main()
