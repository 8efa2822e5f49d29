"""What a train step costs more under Perdure, where nothing is saved: microseconds over Keras' own fit.

Epochs of a tiny model with and without Perdure alternate in one process, so that both see the same
machine. Run it with `python benchmarks/overhead.py`; the table goes to benchmarks/results/overhead.json.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import perdure

Callbacks = Callable[[Path], list[keras.callbacks.Callback]]
Perdured = Callable[[list[keras.callbacks.Callback]], list[keras.callbacks.Callback]]


class EpochTimes(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Stop it."""
        self.seconds.append(time.perf_counter() - self.began)


class Empty(keras.callbacks.Callback):
    """A callback that does nothing at any step."""


def empty(_: Path) -> list[keras.callbacks.Callback]:
    """As many as Perdure adds to a list."""
    return [Empty(), Empty(), Empty()]


def typical(folder: Path) -> list[keras.callbacks.Callback]:
    """What scripts have."""
    return [
        keras.callbacks.EarlyStopping(monitor="loss", patience=10**6),
        keras.callbacks.CSVLogger(str(folder / "log.csv")),
        keras.callbacks.ModelCheckpoint(str(folder / "model.weights.h5"), save_weights_only=True),
    ]


class Fits:
    """Fits of one small model."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        batch = np.ones((4, 8), "float32"), np.ones((4, 1), "float32")
        self._data = tf.data.Dataset.from_tensors(batch).repeat(steps)
        self._model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
        self._model.compile("sgd", "mse", jit_compile=False)

    def microseconds(self, callbacks: list[keras.callbacks.Callback], wrap: Perdured) -> float:
        """Of a step, in the second epoch of a fit: the first one fills caches."""
        times = EpochTimes()
        self._model.fit(self._data, epochs=2, verbose=0, callbacks=wrap([*callbacks, times]))
        return times.seconds[-1] / self._steps * 1e6


def measure(
    fits: Fits, callbacks: Callbacks, rounds: int, added: int
) -> tuple[float, float, float]:
    """Medians: a step of ours, a step of Keras, and their difference round by round.

    The first `added` callbacks stand for those that Perdure adds, so only Keras gets them.
    """
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            ours.append(fits.microseconds(callbacks(Path(folder))[added:], perdure.callbacks))
            bare.append(fits.microseconds(callbacks(Path(folder)), list))
    differences = [one - other for one, other in zip(ours, bare, strict=True)]
    return statistics.median(ours), statistics.median(bare), statistics.median(differences)


def rows(steps: int, rounds: int) -> Iterator[report.Row]:
    """Both sets of callbacks; the first round of each warms up."""
    fits = Fits(steps)
    for name, callbacks, added in (
        ("as many empty callbacks", empty, 3),
        ("EarlyStopping, CSVLogger, ModelCheckpoint", typical, 0),
    ):
        measure(fits, callbacks, 1, added)
        ours, bare, difference = measure(fits, callbacks, rounds, added)
        peer = f"Keras fit, {name}"
        yield report.Row("a train step", "us", ours, bare, peer)
        yield report.Row("added to a train step (ratio: of the step)", "us", difference, bare, peer)


def _use_folder() -> None:
    """A store that outlives Perdure's own end of the process; no save falls due."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    os.environ.update(PERDURE_STORE=f"file://{folder}", PERDURE_EVERY="3600 s")
    os.environ.update(PERDURE_JOB="benchmarks/overhead/1", PERDURE_METRICS_PORT="0")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    _use_folder()
    table = list(rows(arguments.steps, arguments.rounds))
    report.write("overhead", table, {"steps": arguments.steps, "rounds": arguments.rounds})


if __name__ == "__main__":
    main()
