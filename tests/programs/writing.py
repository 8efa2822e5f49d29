"""Every callback of Keras' that writes files, in one fit, or in two; `WHERE` is the folder or the URL.

`KILL_AFTER` counts train batches, as everywhere; `KILL_AFTER_WRITING=n` kills once the nth epoch's files
are written, at the very end of the epoch. `FORMER=1` has files there before the first attempt.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import perdure

import keras
import numpy as np
from disturb import Disturb
from keras import layers

rng = np.random.default_rng(0)
X = rng.integers(0, 20, size=(96, 5))
Y = (X.sum(1, keepdims=True) / 50).astype("float32")
WHERE = os.environ.get("WHERE", "out")
LOCAL = Path("out")


class AtEpochEnd(keras.callbacks.Callback):
    """Comes after all others."""

    written = 0

    def get_state(self):
        return None

    def set_state(self, state):
        pass

    def on_epoch_end(self, epoch, logs=None):
        self.written += 1
        if os.environ.get("KILL_AFTER_WRITING") == str(self.written):
            os.kill(os.getpid(), signal.SIGKILL)


def model():
    inputs = keras.Input((5,), name="words")
    x = layers.Embedding(20, 4, name="embedding")(inputs)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(0.2, name="drop")(x)
    model = keras.Model(inputs, layers.Dense(1, name="head")(x), name="scorer")
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    return model


def checkpoints():
    """Names, what is monitored, when, and from which value on."""
    of = keras.callbacks.ModelCheckpoint
    return [
        of(f"{WHERE}/every/{{epoch:02d}}-{{val_loss:.2f}}.keras"),
        of(f"{WHERE}/best.keras", save_best_only=True),
        of(f"{WHERE}/best.weights.h5", "val_mae", save_best_only=True, save_weights_only=True, mode="min"),
        of(f"{WHERE}/worst.h5", "loss", save_best_only=True, mode="max"),
        of(f"{WHERE}/batch/{{epoch}}-{{batch}}.weights.h5", save_weights_only=True, save_freq=5),
        of(f"{WHERE}/batch-best.keras", "loss", save_best_only=True, mode="min", save_freq=4),
        of(f"{WHERE}/threshold.keras", save_best_only=True, initial_value_threshold=0.3),
        of(f"{WHERE}/never.keras", save_best_only=True, initial_value_threshold=0.0),
    ]  # fmt: skip


def loggers():
    of = keras.callbacks.CSVLogger
    return [
        of(f"{WHERE}/log.csv"),
        of(f"{WHERE}/semicolons.csv", separator=";", append=True),
        of(f"{WHERE}/former.csv", append=True),
    ]


def boards():
    of = keras.callbacks.TensorBoard
    return [
        of(
            f"{WHERE}/all", histogram_freq=1, write_images=True, write_steps_per_second=True,
            update_freq="batch", profile_batch=(2, 4), embeddings_freq=2,
            embeddings_metadata={"embedding": "words.tsv"},
        )
    ]  # fmt: skip


KINDS = {"checkpoints": checkpoints, "loggers": loggers, "boards": boards}


def fit(epochs, *callbacks):
    made = model()
    made.fit(
        X, Y, batch_size=16, epochs=epochs, verbose=0, validation_split=0.25,
        callbacks=perdure.callbacks(callbacks, Disturb(), AtEpochEnd()),
    )  # fmt: skip


if __name__ == "__main__":
    LOCAL.mkdir(exist_ok=True)
    if os.environ.get("FORMER") and not (LOCAL / "former.csv").exists():
        (LOCAL / "former.csv").write_text("epoch,loss\n0,7.0\n")
    if sys.argv[1] == "two fits":
        logger = keras.callbacks.CSVLogger("out/both.csv", append=True)
        for _ in range(2):
            board = keras.callbacks.TensorBoard("out/board", write_graph=False, update_freq=3)
            fit(2, logger, keras.callbacks.CSVLogger("out/last.csv"), board)
    else:
        fit(4, *[callback for kind in sys.argv[1].split(",") for callback in KINDS[kind]()])
