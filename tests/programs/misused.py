"""Loops that are written in ways that cannot work: each prints what it is told."""

from __future__ import annotations

from types import FunctionType

import perdure

import keras
import numpy as np
import tensorflow as tf

X = np.arange(12, dtype="float32").reshape(6, 2)
DATA = tf.data.Dataset.from_tensor_slices(X).batch(2)
variable = tf.Variable(0.0)


def loop():
    return perdure.loop(variable=variable)


def epochs_outside():
    loop().epochs(1)


def batches_outside():
    with loop() as it:
        it.batches(DATA)


def no_epochs():
    with loop():
        pass


def epochs_twice():
    with loop() as it:
        it.epochs(1)
        it.epochs(1)


def no_batches():
    with loop() as it:
        for _ in it.epochs(2):
            pass


def batches_twice():
    with loop() as it:
        for _ in it.epochs(1):
            for _ in it.batches(DATA):
                it.step()
            it.batches(DATA)


def no_step():
    with loop() as it:
        for _ in it.epochs(1):
            for _ in it.batches(DATA):
                pass


def break_without_step():
    with loop() as it:
        for _ in it.epochs(1):
            for _ in it.batches(DATA):
                break


def step_twice():
    with loop() as it:
        for _ in it.epochs(1):
            for _ in it.batches(DATA):
                it.step()
                it.step()


def kept_iterator():
    with loop() as it:
        for _ in it.epochs(1):
            batches = it.batches(DATA)
            next(batches)
            it.step()


def log_before():
    with loop() as it:
        for _ in it.epochs(1):
            it.log(value=1.0)


def used_again():
    it = loop()
    for _ in range(2):
        with it:
            for _ in it.epochs(1):
                for _ in it.batches(DATA):
                    it.step()


def loop_in_loop():
    with loop(), loop():
        pass


def arrays():
    with loop() as it:
        for _ in it.epochs(1):
            for _ in it.batches((X, X)):
                it.step()


def ended_iterator():
    data = iter([X, X])
    with loop() as it:
        for _ in it.epochs(2):
            for _ in it.batches(data):
                it.step()


def other_data_then_the_same():
    with loop() as it:
        for epoch in it.epochs(3):
            for _ in it.batches(DATA if epoch != 1 else DATA.take(2)):
                it.step()


def no_number():
    with loop() as it:
        for _ in it.epochs(1):
            for _ in it.batches(DATA):
                it.step(loss=variable)


def no_steps():
    with loop() as it:
        for _ in it.epochs(1):
            it.batches(DATA, steps=0)


def nothing_given():
    perdure.loop()


def a_number():
    perdure.loop(variable=variable, best=1.0)


def no_data():
    perdure.loop(variable=variable, state={"open": open})


def unknown_weights():
    layer, optimizer = keras.layers.Dense(1), keras.optimizers.Adam()
    layer.build((None, 2))
    with perdure.loop(optimizer=optimizer) as it:
        for _ in it.epochs(1):
            for _ in it.batches(DATA):
                optimizer.apply(
                    [tf.ones_like(v) for v in layer.trainable_variables], layer.trainable_variables
                )
                it.step()


def under_a_strategy():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope(), loop():
        pass


cases = [value for name, value in globals().items() if isinstance(value, FunctionType)]
for case in cases[1:]:
    try:
        case()
        print(case.__name__, "| nothing")
    except (RuntimeError, TypeError, ValueError, SystemExit) as error:
        print(case.__name__, "|", type(error).__name__, "|", error)
