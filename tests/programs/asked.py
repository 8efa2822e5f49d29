"""A training that is asked for something: it writes the file of requests itself, so the batch is known.

`ASK` is the request and `ASK_AT` the batch of the lineage after which it is written, 0 for before the first
fit. `PHASE` says where else: `validation`, `predict`, `script` or `replay`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import perdure
from perdure.attempt import current
from perdure.contract.requests import Request

import keras
import numpy as np
import tensorflow as tf
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(104, 6)).astype("float32")
Y = (X.sum(1, keepdims=True) + rng.normal(size=(104, 1))).astype("float32")
X, Y, VAL = X[:80], Y[:80], (X[80:], Y[80:])  # 5 batches of 16
ASK = os.environ.get("ASK", "")
phase = os.environ.get("PHASE", "")


def ask():
    """Write the request and wait until the trainer has read it."""
    Path(os.environ["PERDURE_REQUEST_FILE"]).write_text(ASK)
    while current().control.newest != Request.from_json(ASK):
        time.sleep(0.05)


def reach(name):
    global phase
    if phase == name:
        phase = ""
        ask()
        time.sleep(10 if name == "script" else 0)


class Asks(keras.callbacks.Callback):
    """Counts the batches of the lineage; the count is saved and restored with the training."""

    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if ASK and self.batches == int(os.environ.get("ASK_AT", "0")):
            ask()

    def on_epoch_end(self, epoch, logs=None):
        if os.environ.get("KILL_AT") == "the end" and self.model.stop_training:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_test_batch_begin(self, batch, logs=None):
        if batch == 1:
            reach("validation")

    def on_predict_batch_begin(self, batch, logs=None):
        reach("predict")


class Two(keras.Model):
    """A train step of its own with two optimizers."""

    def __init__(self):
        super().__init__()
        self.one, self.two = keras.Sequential(net()), layers.Dense(1)
        self.optimizers = [keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.05, 0.9)]

    def call(self, x, training=False):
        return self.one(x, training=training) + self.two(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape(persistent=True) as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        for optimizer, part in zip(self.optimizers, (self.one, self.two), strict=True):
            gradients = tape.gradient(loss, part.trainable_variables)
            optimizer.apply(gradients, part.trainable_variables)
        return {"loss": loss}

    def test_step(self, data):
        return {"loss": tf.reduce_mean((self(data[0]) - data[1]) ** 2)}


def net():
    return [layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(1)]


def compiled(optimizer, **arguments):
    model = keras.Sequential(net())
    model.compile(optimizer, "mse", **arguments)
    return model


def plain():
    return compiled(keras.optimizers.SGD(0.05)), []


def schedule():
    rate = keras.optimizers.schedules.CosineDecay(0.05, 40, warmup_target=0.1, warmup_steps=8)
    return compiled(keras.optimizers.AdamW(rate, weight_decay=0.01)), []


def callbacks_that_set_it():
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=1.0)
    return compiled(keras.optimizers.RMSprop(0.01)), [scheduler, plateau]


def loss_scale():
    return compiled(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.05))), []


def two_optimizers():
    model = Two()
    model.compile()
    return model, []


def eager():
    return compiled(keras.optimizers.Adam(0.05), run_eagerly=True), []


def one_batch_epochs():
    return compiled(keras.optimizers.SGD(0.05)), []


def early_stopping():
    stopping = keras.callbacks.EarlyStopping(patience=0, min_delta=10.0, restore_best_weights=True)
    return compiled(keras.optimizers.SGD(0.05)), [stopping]


def batches():
    for i in range(0, len(X), 16):
        if asks.batches == 0 and i == 32:
            reach("replay")
        time.sleep(1 if os.environ.get("PHASE") == "replay" and asks.batches == 0 else 0)
        yield X[i : i + 16], Y[i : i + 16]


case = sys.argv[1]
epochs = int(os.environ.get("EPOCHS", "5"))
asks = Asks()
if ASK and os.environ.get("ASK_AT") == "0":
    Path(os.environ["PERDURE_REQUEST_FILE"]).write_text(ASK)
    time.sleep(3)
    print("before the first fit")
model, own = globals()[case]()
spec = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None, 1), tf.float32))
data = {"x": X, "y": Y, "batch_size": 80 if case == "one_batch_epochs" else 16}
if "PHASE" in os.environ:
    data = {"x": tf.data.Dataset.from_generator(batches, output_signature=spec)}
history = model.fit(
    **data, epochs=epochs, verbose=0, validation_data=VAL, validation_batch_size=8,
    callbacks=perdure.callbacks(own, asks, Disturb()),
)  # fmt: skip
reach("script")
if "PHASE" in os.environ:
    print(
        "predicted",
        model.predict(VAL[0], verbose=0, batch_size=8, callbacks=perdure.callbacks(asks)).sum(),
    )
model.fit(X, Y, batch_size=16, epochs=1, verbose=0, callbacks=perdure.callbacks(Disturb()))
print("done after", len(history.epoch), "epochs")
