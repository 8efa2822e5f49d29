"""One scene of the covering set: two fits, with data given in one of the `ways`, a model of the `zoo` and
a set of callbacks, named by the arguments. At its end it says all that came of it.

`KILL` says where the process is killed, as PLACE:EPOCH: the first time from that epoch on. `SIGNAL` says
by which signal. A notice is waited for, so that nothing is trained between the place and the notice.
"""

from __future__ import annotations

import collections
import json
import os
import re
import sys
import time
import zipfile
from pathlib import Path

import perdure
from perdure.attempt import current
from perdure.lineage.digest import digest
from perdure.store.local import LocalStore

import keras
import numpy as np
import tensorflow as tf
import ways
import zoo
from tensorflow.core.util import event_pb2

ONE_HOT = np.eye(zoo.CLASSES, dtype="float32")

STEPS = {
    "tf_data_split": 10,
    "tf_data_endless": 10,
    "generator": 10,
    "tf_data_of_unknown_length": -(-int((ways.X[:, 0] > -1.5).sum()) // ways.BATCH),
}
ways.X, ways.Y = (
    np.tile(ways.X, zoo.WIDTH // 8),
    ONE_HOT[ways.Y],
)  # as the models of the zoo have it
ways.VAL = (np.tile(ways.VAL[0], zoo.WIDTH // 8), ONE_HOT[ways.VAL[1]])
SIGNAL = int(os.environ.get("SIGNAL", "0"))
way, kind, own_set = sys.argv[1:]
place, _, first_epoch = os.environ.get("KILL", "").partition(":")


def reach(name, epoch=ways.EPOCHS):
    """The place `name` is reached."""
    global place
    if place != name or epoch < int(first_epoch):
        return
    place = ""
    print("reached", name, "in epoch", epoch, flush=True)
    os.kill(os.getpid(), SIGNAL)
    while not current().signals.is_set:
        time.sleep(0.001)


class Kill(keras.callbacks.Callback):
    """Comes by at the places of a fit."""

    epoch = 0
    is_inside = False

    def get_state(self):
        return self.epoch

    def set_state(self, state):
        self.epoch = state

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if batch < self.model.steps_per_execution:
            reach("first batch", self.epoch)
        if batch >= 5:
            reach("inside", self.epoch)
            Kill.is_inside = self.epoch >= int(first_epoch or "0")
        if batch + 1 >= STEPS.get(way, 13):
            reach("last batch", self.epoch)

    def on_test_batch_begin(self, batch, logs=None):
        reach("validation", self.epoch)

    def on_epoch_end(self, epoch, logs=None):
        reach("epoch end", epoch)

    def on_train_end(self, logs=None):
        reach("on_train_end")


def killing(write, name, folder, *, when_written):
    """A method of the store that comes by where a save of a fit that is inside an epoch writes."""

    def method(store, key, data):
        if when_written:
            write(store, key, data)
        if Kill.is_inside and folder in key:
            reach(name)
        if not when_written:
            write(store, key, data)

    return method


is_late = first_epoch == "1"
LocalStore.put = killing(LocalStore.put, "save", "/chunks/", when_written=is_late)
LocalStore.create = killing(LocalStore.create, "commit", "/log/", when_written=is_late)


class LowestLoss(keras.callbacks.Callback):
    """Ends training when the loss has not fallen for a while, and takes the weights of its lowest."""

    def __init__(self, patience=2):
        super().__init__()
        self.patience = patience
        self.best_weights = None

    def on_train_begin(self, logs=None):
        self.wait, self.best = 0, np.inf

    def on_epoch_end(self, epoch, logs=None):
        if np.less(logs["loss"], self.best):
            self.best, self.wait = logs["loss"], 0
            self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.model.set_weights(self.best_weights)


class Diary(keras.callbacks.Callback):
    """Counts and keeps what it sees, in attributes of many types."""

    def __init__(self):
        super().__init__()
        self.hooks = {}
        self.newest = collections.deque(maxlen=3)
        self.losses, self.smooth = np.zeros(4), tf.constant(0.0)

    def count(self, hook):
        self.hooks[hook] = self.hooks.get(hook, 0) + 1

    def on_train_batch_begin(self, batch, logs=None):
        self.count("train batches")

    def on_train_batch_end(self, batch, logs=None):
        self.newest.append((batch, logs["loss"]))
        self.smooth = 0.9 * self.smooth + 0.1 * logs["loss"]

    def on_test_batch_end(self, batch, logs=None):
        self.count("test batches")

    def on_epoch_end(self, epoch, logs=None):
        self.losses[epoch] = logs["val_loss"]
        logs["seen"] = self.hooks["train batches"]


def stopping():
    return [
        keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True, min_delta=0.001),
        keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0.01, cooldown=1),
    ]


def rates():
    return [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"])),
        keras.callbacks.TerminateOnNaN(),
    ]


def files():
    weights = "{epoch:02d}-{batch:02d}.weights.h5"
    return [
        keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True),
        keras.callbacks.ModelCheckpoint(weights, save_weights_only=True, save_freq=7),
        keras.callbacks.CSVLogger("log.csv", separator=";"),
    ]


def board():
    return [keras.callbacks.TensorBoard("board", histogram_freq=2, update_freq=3)]


def own():
    return [Diary(), LowestLoss()]


CALLBACKS = {make.__name__: make for make in (stopping, rates, files, board, own)}


NUMBERS = re.compile(rb'"shared_object_id": [0-9]+')  # which are places in memory


def written():
    """Name and content of each file; of a zip its parts, of event files their values without times."""
    found = {}
    for path in sorted(path for path in Path().rglob("*") if path.is_file()):
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as parts:
                found[str(path)] = [
                    (name, digest(NUMBERS.sub(b"", parts.read(name))))
                    for name in parts.namelist()
                    if name != "metadata.json"  # has the date
                ]
        elif ".tfevents." in path.name:
            found.setdefault(str(path.parent), []).extend(values_in(path))
        else:
            found[str(path)] = digest(path.read_bytes())
    return {name: sorted(what) if isinstance(what, list) else what for name, what in found.items()}


def values_in(path):
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        event = event_pb2.Event.FromString(record)
        for value in event.summary.value:
            yield event.step, value.tag, digest(value.SerializeToString(deterministic=True))


def fit(epochs, callbacks):
    return model.fit(
        **{"validation_data": ways.VAL, **getattr(ways, way)()},
        epochs=epochs,
        verbose=0,
        callbacks=perdure.callbacks(*callbacks, Kill()),
    )


model = zoo.MODELS[kind]()
swapping = [keras.callbacks.SwapEMAWeights()] if kind == "batch_norm_with_ema" else []
first = fit(ways.EPOCHS, [*swapping, *CALLBACKS[own_set]()])
reach("between fits")
if current().signals.is_set:
    time.sleep(20)  # nothing is trained here, so the watcher ends the process
second = fit(1, swapping)
if current().signals.is_set:
    time.sleep(20)
said = {
    "first": first.history,
    "second": second.history,
    "epochs": first.epoch,
    "weights": digest(b"".join(np.asarray(w).tobytes() for w in model.get_weights())),
    "predicted": repr(float(model.predict(ways.X, verbose=0).sum())),
    "files": written(),
}
print("said", json.dumps(said, default=repr))
