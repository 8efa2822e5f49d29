"""Hand-written loops as users write them; the argument names the case.

`KILL_AFTER` and `KILL_SIGNAL` end the process after so many of its own steps; `KILL_IN` says where instead:
`validation`, or `the end`, after the last epoch and inside of the `with` block.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import perdure
from perdure.attempt import current
from perdure.contract.requests import Request

import keras
import numpy as np
import tensorflow as tf
from keras import layers

EPOCHS, BATCH = 4, 16
rng = np.random.default_rng(0)
X = rng.normal(size=(150, 6)).astype("float32")
Y = (X[:, :3].sum(1) > X[:, 3:].sum(1)).astype("float32")[:, None]
VAL = (X[104:], Y[104:])
X, Y = X[:104], Y[:104]  # 7 batches, the last one smaller
left = int(os.environ.get("KILL_AFTER", "0"))


def disturb(place="step"):
    """Send this process a real signal, if this is where."""
    global left
    if place == "step":
        left -= 1
    if place == os.environ.get("KILL_IN", "step") and left <= 0 and "KILL_SIGNAL" in os.environ:
        os.kill(os.getpid(), int(os.environ.pop("KILL_SIGNAL")))


def ask(step):
    """Write the request for this step of the lineage, and wait until the trainer has read it."""
    request = os.environ.get(f"ASK_AT_{step}")
    if request:
        Path(os.environ["PERDURE_REQUEST_FILE"]).write_text(request)
        while current().control.newest != Request.from_json(request):
            time.sleep(0.05)


def net(*, built=True):
    inputs = [layers.Input((6,))] if built else []
    return keras.Sequential(
        [
            *inputs,
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )


def stepper(model, optimizer, **options):
    """A train step as every tutorial has it."""

    @tf.function(**options)
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return train_step


def shuffled():
    return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(64, seed=3)


def patience():
    """Validation with the metric of training, and an early stop of one's own, by `break`."""
    model, optimizer = net(), keras.optimizers.Adam(0.3)
    error, state = keras.metrics.MeanAbsoluteError(), {"best": np.inf, "wait": 0}
    train_step = stepper(model, optimizer)
    train = shuffled().batch(BATCH).prefetch(2)
    with perdure.loop(model=model, optimizer=optimizer, error=error, state=state) as loop:
        for _ in loop.epochs(9):
            error.reset_state()
            for x, y in loop.batches(train):
                loss = train_step(x, y)
                error.update_state(y, model(x))
                loop.step(loss=loss, error=error.result())
                disturb()
            error.reset_state()
            error.update_state(VAL[1], model(VAL[0]))
            disturb("validation")
            value = float(error.result())
            loop.log(val_error=value)
            better = value < state["best"]
            state["best"], state["wait"] = (
                min(value, state["best"]),
                0 if better else state["wait"] + 1,
            )
            if state["wait"] == 2:
                break
        disturb("the end")
    print("end", sorted(state.items()), loop.history["val_error"])


class Net(keras.Model):
    """Builds its layers when it is called."""

    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(8, "relu"), layers.Dropout(0.2), layers.Dense(1, "sigmoid")]

    def call(self, x, training=False):
        for part in self.parts:
            x = part(x, training=training) if isinstance(part, layers.Dropout) else part(x)
        return x


def lazy():
    """Nothing has variables before the first step; epochs are seeked."""
    model, optimizer = Net(), keras.optimizers.SGD(0.1, momentum=0.9)
    score = keras.metrics.F1Score(threshold=0.5)
    train_step = stepper(model, optimizer)
    train = perdure.data.arrays((X, Y), batch_size=BATCH)
    with perdure.loop(model=model, optimizer=optimizer, metrics=[score]) as loop:
        for _ in loop.epochs(EPOCHS):
            for x, y in loop.batches(train):
                loss = train_step(x, y)
                score.update_state(y, model(x))
                loop.step(loss=loss)
                ask(int(optimizer.iterations.numpy()))
                disturb()
            loop.log(score=score.result())
            score.reset_state()
            disturb("validation")
        disturb("the end")
    print("end", float(tf.reduce_sum(model(X))), [float(s[0]) for s in loop.history["score"]])


def endless():
    """Two optimizers, a Python generator without an end, noise from streams of one's own and global ones."""
    parts = {"one": net(), "two": keras.Sequential([layers.Input((6,)), layers.Dense(1)])}
    optimizers = [keras.optimizers.AdamW(0.01), keras.optimizers.RMSprop(0.01)]
    own, old, plain = np.random.default_rng(4), np.random.RandomState(4), random.Random(4)
    scale = tf.Variable(1.0)

    @tf.function
    def train_step(x, y):
        with tf.GradientTape(persistent=True) as tape:
            loss = tf.reduce_mean((parts["one"](x, training=True) + parts["two"](x) - y) ** 2)
        for optimizer, part in zip(optimizers, parts.values(), strict=True):
            variables = part.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        scale.assign(scale * 0.99 + 0.01 * loss)
        return loss

    def batches():
        order = np.random.default_rng(1)
        while True:
            rows = order.integers(0, len(X), BATCH)
            yield X[rows] + np.random.normal(scale=0.1, size=(BATCH, 6)), Y[rows]

    data = batches()
    with perdure.loop(
        parts=parts, optimizers=optimizers, scale=scale, own=own, old=old, plain=plain
    ) as loop:
        for _ in loop.epochs(EPOCHS):
            for x, y in loop.batches(data, steps=7):
                noise = own.normal() + old.normal() + plain.gauss(0, 1) + random.random()
                loss = train_step(tf.constant(x + 0.01 * noise, tf.float32), y)
                loop.step(loss=loss, noise=noise)
                disturb()
            loop.log(scale=scale.numpy())
            disturb("validation")
        disturb("the end")
    print("end", own.random(), old.random(), plain.random(), random.random(), np.random.random())


class Rows(keras.utils.PyDataset):
    """Draws from the global stream, and shuffles its rows when an epoch ends."""

    def __init__(self):
        super().__init__()
        self.rows, self.order = np.arange(len(X)), np.random.default_rng(2)

    def __len__(self):
        return 7

    def __getitem__(self, index):
        rows = self.rows[index * BATCH : (index + 1) * BATCH]
        return X[rows] + np.random.normal(scale=0.1, size=(len(rows), 6)).astype("float32"), Y[rows]

    def on_epoch_end(self):
        self.order.shuffle(self.rows)


class Average:
    """Counts something, by the protocol of state."""

    def __init__(self):
        self.values = []

    def get_state(self):
        return {"values": np.array(self.values)}

    def set_state(self, state):
        self.values = list(state["values"])


def py_dataset():
    model, optimizer = net(), keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))
    average, train_step, train = Average(), stepper(model, optimizer, jit_compile=True), Rows()
    with perdure.loop(model=model, optimizer=optimizer, average=average) as loop:
        for _ in loop.epochs(EPOCHS):
            for x, y in loop.batches(train):
                loss = train_step(x, y)
                average.values.append(float(loss))
                loop.step(loss=loss)
                disturb()
            disturb("validation")
        disturb("the end")
    print("end", [float(value) for value in average.values])


def left_early():
    """Epochs of different lengths, each left by `break`, with a fit of another model at their end."""
    model, optimizer, inner = net(), keras.optimizers.Adam(0.01), net()
    inner.compile("adam", "mse")
    train_step = stepper(model, optimizer)
    train = shuffled().batch(BATCH)
    with perdure.loop(model=model, optimizer=optimizer, inner=inner) as loop:
        for epoch in loop.epochs(EPOCHS):
            for x, y in loop.batches(train):
                loop.step(loss=train_step(x, y))
                disturb()
                if loop.batch == 3 + epoch:
                    break
            inner.fit(X, Y, batch_size=52, shuffle=False, verbose=0, callbacks=perdure.callbacks())
            loop.log(inner=inner.evaluate(*VAL, verbose=0, callbacks=perdure.callbacks()))
            disturb("validation")
        disturb("the end")
    print("end", loop.history)


def several():
    """A fit, and two loops over the same model with the same step: one over data whose shuffle is begun twice
    in each epoch, one over data that is made anew in each.
    """
    model, optimizer = net(), keras.optimizers.SGD(0.05, momentum=0.9)
    train_step = stepper(model, optimizer)
    model.compile("adam", "mse")
    fitted = model.fit(X, Y, batch_size=BATCH, epochs=1, verbose=0, callbacks=perdure.callbacks())
    repeated = shuffled().repeat(2).batch(32)
    for part in ("repeated", "anew"):
        with perdure.loop(model=model, optimizer=optimizer) as loop:
            for epoch in loop.epochs(3):
                data = repeated if part == "repeated" else shuffled_for(epoch)
                for x, y in loop.batches(data):
                    loop.step(loss=train_step(x, y))
                    disturb()
                disturb("validation")
            disturb("the end")
    print("end", fitted.history["loss"], loop.history, float(tf.reduce_sum(model(X))))


def shuffled_for(epoch):
    return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(64, seed=epoch).batch(BATCH)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
