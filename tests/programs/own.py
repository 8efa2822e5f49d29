"""Callbacks as users write them, and Keras' own, in three fits of one script, which says what they know."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import pathlib

import perdure

import keras
import numpy as np
import tensorflow as tf
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 4)).astype("float32")
Y = (X.sum(1, keepdims=True) + rng.normal(size=(40, 1))).astype("float32")
RATES = [(1, 0.1), (2, 0.01), (4, 0.2)]
shared = []  # the script and a callback hold it


class StopAtMinimum(keras.callbacks.Callback):
    """Stops when the loss is at its minimum, and puts the best weights back."""

    def __init__(self, patience=0):
        super().__init__()
        self.patience = patience
        self.best_weights = None

    def on_train_begin(self, logs=None):
        self.wait = 0
        self.stopped_epoch = 0
        self.best = np.inf

    def on_epoch_end(self, epoch, logs=None):
        current = logs.get("loss")
        if np.less(current, self.best):
            self.best = current
            self.wait = 0
            self.best_weights = self.model.get_weights()
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.stopped_epoch = epoch
                self.model.stop_training = True
                self.model.set_weights(self.best_weights)


class RatesFromTable(keras.callbacks.Callback):
    """Sets the optimizer's learning rate from a table."""

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def on_epoch_begin(self, epoch, logs=None):
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.model.optimizer.learning_rate = self.schedule(epoch, rate)


def from_table(epoch, rate):
    return dict(RATES).get(epoch, rate)


class Prints(keras.callbacks.Callback):
    """Prints loss and error at every batch and epoch."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        print(f"{self.name} epoch {self.epoch} batch {batch} loss {logs['loss']:.7f}", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        print(f"{self.name} epoch {epoch} error {logs['mae']:.7f}", flush=True)


class EveryHook(keras.callbacks.Callback):
    """Notes all hooks that it is called with, and what it sees in them."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def note(self, hook, place, logs):
        told = {name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0}
        self.seen.append((hook, place, told, self.params.get("steps"), self.model.stop_training))


def _hook(name):
    def note(self, *args, **kwargs):
        given = [*args, *kwargs.values()]
        logs = next((each for each in given if isinstance(each, dict)), None)
        self.note(name, next((each for each in given if isinstance(each, int)), None), logs)

    return note


for name in dir(keras.callbacks.Callback):
    if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
        setattr(EveryHook, name, _hook(name))


class Phase(enum.Enum):
    FALLS = 1
    RISES = 2


@dataclasses.dataclass
class Meter:
    total: float = 0.0
    values: list = dataclasses.field(default_factory=list)

    def add(self, value):
        self.total += value
        self.values.append(value)


class Inner(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


class Keeps(keras.callbacks.Callback):
    """Keeps what it sees in everything that one keeps things in."""

    per_class = []

    def __init__(self, losses):
        super().__init__()
        self.losses = losses
        self.counts = collections.Counter()
        self.newest = collections.deque(maxlen=3)
        self.by_epoch = collections.defaultdict(list)
        self.meter = Meter()
        self.random = np.random.default_rng(5)
        self.variable = tf.Variable(0.0, trainable=False)
        self.mean = keras.metrics.Mean()
        self.inner = Inner()
        self.phase = Phase.RISES
        self.array = np.zeros(2)
        self.layers_seen = set()
        self.epoch = 0

    def on_train_begin(self, logs=None):
        self.counts["begun"] += 1

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        self.losses.append(loss)
        self.counts[f"batch {batch}"] += 1
        self.newest.append(loss)
        self.by_epoch[self.epoch].append(self.random.random())
        self.meter.add(loss)
        self.variable.assign_add(loss)
        self.mean.update_state(loss)
        self.inner.on_train_batch_end(batch, logs)
        self.phase = Phase.FALLS if loss < self.meter.values[0] else Phase.RISES
        self.array[batch % 2] += loss
        self.layers_seen.add(f"{batch}")
        self.tensor = tf.constant([loss])
        self.per_class.append(batch)
        self.folder = pathlib.Path(f"epoch-{self.epoch}")

    def said(self):
        return [
            self.losses == shared, shared, self.counts, [*self.newest], self.newest.maxlen,
            self.by_epoch, self.by_epoch["new"], dataclasses.asdict(self.meter), self.random.random(),
            float(self.variable), float(self.mean.result()), self.inner.batches, self.phase.name,
            self.array.tolist(), sorted(self.layers_seen), self.tensor.numpy().tolist(),
            self.per_class, str(self.folder),
        ]  # fmt: skip


disturb = Disturb()
outside = []


def counted(_batch, logs):
    outside.append(logs["loss"])


def fit(name, *own, epochs, **compiled):
    model = keras.Sequential(
        [layers.Dense(4, activation="relu"), layers.Dropout(0.2), layers.Dense(1)]
    )
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9, **compiled)
    model.compile(optimizer, "mse", metrics=["mae"])
    hooks = EveryHook()
    history = model.fit(
        X, Y, batch_size=8, epochs=epochs, verbose=0, validation_data=(X[:16], Y[:16]),
        callbacks=perdure.callbacks(own, hooks, Prints(name), disturb),
    )  # fmt: skip
    model.evaluate(X, Y, verbose=0, callbacks=perdure.callbacks(hooks))
    model.predict(X, verbose=0, callbacks=perdure.callbacks(hooks))
    print("history", json.dumps(history.history))
    print("hooks", json.dumps(hooks.seen))


stop = StopAtMinimum(patience=1)
fit("tutorial", stop, RatesFromTable(from_table), epochs=8)
print(
    "knows",
    stop.wait,
    stop.stopped_epoch,
    float(stop.best),
    [w.tolist() for w in stop.best_weights],
)

stopping = keras.callbacks.EarlyStopping(
    min_delta=0.01, patience=2, baseline=0.4, start_from_epoch=1, restore_best_weights=True
)
plateau = keras.callbacks.ReduceLROnPlateau(
    factor=0.5, patience=0, min_delta=0.2, cooldown=1, min_lr=1e-4
)
keeps = Keeps(shared)
fit(
    "monitors", stopping, plateau, keeps, keras.callbacks.SwapEMAWeights(),
    keras.callbacks.LambdaCallback(on_train_batch_end=counted),
    epochs=5, use_ema=True, ema_momentum=0.9,
)  # fmt: skip
print("knows", stopping.wait, stopping.stopped_epoch, stopping.best, stopping.best_epoch)
print("knows", plateau.wait, plateau.cooldown_counter, plateau.best)
print("knows", json.dumps(keeps.said()))

fit(
    "swaps", keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
    keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
    keras.callbacks.TerminateOnNaN(),
    epochs=3, use_ema=True, ema_momentum=0.9,
)  # fmt: skip
