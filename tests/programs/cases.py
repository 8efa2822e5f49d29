"""What users do with `fit` beyond plain models; the argument names the case."""

from __future__ import annotations

import os
import sys

import perdure

import keras
import numpy as np
import tensorflow as tf
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(150, 6)).astype("float32")
Y = (X.sum(1) > 0).astype("int32")
ONE_HOT = np.eye(2, dtype="float32")[Y]


def net():
    return [layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(2)]


def compiled(model, **arguments):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(arguments.pop("optimizer", "adam"), loss, **arguments)
    return model


def steps_per_execution():
    return compiled(keras.Sequential(net()), steps_per_execution=4), {}


class TwoOptimizers(keras.Model):
    """A train step of its own, optimizers in a dict, and a log that is no metric's value."""

    def __init__(self):
        super().__init__()
        self.one, self.two = keras.Sequential(net()), layers.Dense(2)
        self.optimizers = {
            "one": keras.optimizers.Adam(0.01),
            "two": keras.optimizers.SGD(0.1, 0.9),
        }

    def call(self, x, training=False):
        return self.one(x, training=training) + self.two(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape(persistent=True) as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        for name, part in (("one", self.one), ("two", self.two)):
            gradients = tape.gradient(loss, part.trainable_variables)
            self.optimizers[name].apply(gradients, part.trainable_variables)
        return {"loss": loss, "both": tf.stack([loss, loss])}

    def test_step(self, data):
        return {"loss": tf.reduce_mean((self(data[0]) - data[1]) ** 2)}


def two_optimizers():
    model = TwoOptimizers()
    model.compile()
    return model, {}


class Moving(layers.Layer):
    """Keeps a mean in a variable of TensorFlow's, which Keras does not know of."""

    def __init__(self):
        super().__init__()
        self.mean = tf.Variable(tf.zeros(6), trainable=False)

    def call(self, x):
        self.mean.assign(0.9 * self.mean + 0.1 * tf.reduce_mean(x, 0))
        return x - self.mean


def plain_variable():
    return compiled(keras.Sequential([Moving(), *net()])), {}


def vector_metric():
    return compiled(keras.Sequential(net()), metrics=[keras.metrics.F1Score(average=None)]), {}


class Examined(keras.Model):
    """A layer that is first used in validation."""

    def __init__(self):
        super().__init__()
        self.body, self.head = keras.Sequential(net()), layers.Dense(2)

    def call(self, x, training=False):
        return self.body(x, training=training)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(data[0], training=True) - data[1]) ** 2)
        variables = self.body.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}

    def test_step(self, data):
        return {"loss": tf.reduce_mean((self.head(self(data[0])) - data[1]) ** 2)}


def layer_of_validation():
    model = Examined()
    model.compile("adam")
    return model, {}


class Opens(keras.callbacks.Callback):
    """Opens a file when training begins."""

    def on_train_begin(self, logs=None):
        self.file = open("lines.txt", "a")  # noqa: SIM115

    def on_epoch_end(self, epoch, logs=None):
        self.file.write(f"{epoch}\n")


def opens_a_file():
    return compiled(keras.Sequential(net())), {"callbacks": [Opens()]}


class MakesAnew(keras.callbacks.Callback):
    """Makes the train function anew."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.model.make_train_function(force=True)


def train_function_made_anew():
    return compiled(keras.Sequential(net())), {"callbacks": [MakesAnew()]}


def everything_of_keras():
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=7)
    model = compiled(
        keras.Sequential(net()), optimizer=optimizer, metrics=["accuracy"], jit_compile=True
    )
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=0.05),
        keras.callbacks.SwapEMAWeights(),
        keras.callbacks.ModelCheckpoint("m-{epoch}.keras"),
        keras.callbacks.CSVLogger("log.csv"),
    ]
    return model, {"callbacks": callbacks, "class_weight": {0: 1.0, 1: 2.0}, "validation_freq": 2}


def child_processes():
    if os.fork() == 0:
        sys.exit(0)  # no end of the training
    return compiled(keras.Sequential(net())), {}


def distributed():
    with tf.distribute.experimental.CentralStorageStrategy(["CPU:0"], "CPU:0").scope():
        return compiled(keras.Sequential(net())), {}


class CompilesAnew(keras.callbacks.Callback):
    """Goes on with another optimizer inside a fit."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            compiled(self.model, optimizer="sgd").make_train_function()


def compiled_anew():
    return compiled(keras.Sequential(net())), {"callbacks": [CompilesAnew()]}


if __name__ == "__main__":
    model, arguments = globals()[sys.argv[1]]()
    own = arguments.pop("callbacks", [])
    model.fit(
        X, ONE_HOT, batch_size=16, epochs=4, verbose=0, validation_data=(X[:40], ONE_HOT[:40]),
        callbacks=perdure.callbacks(own, Disturb()), **arguments,
    )  # fmt: skip
