"""What a train step costs more under Perdure, where nothing is saved: microseconds over Keras' own fit.

Fits of a tiny model with and without Perdure alternate in one process, so that both see the same
machine; of each its median step counts. Run it with `python benchmarks/overhead.py`; the table goes to
benchmarks/results/overhead.json.
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
from itertools import pairwise
from pathlib import Path

import report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import perdure

WARM_UP = 20  # steps

Callbacks = Callable[[Path], list[keras.callbacks.Callback]]
Perdured = Callable[[list[keras.callbacks.Callback]], list[keras.callbacks.Callback]]


class StepTimes(keras.callbacks.Callback):
    """When each step began."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        """A step begins."""
        self.began.append(time.perf_counter())

    def median_microseconds(self) -> float:
        """From the begin of a step to the begin of the next; the first ones fill caches."""
        return statistics.median(b - a for a, b in pairwise(self.began[WARM_UP:])) * 1e6


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
        batch = np.ones((4, 8), "float32"), np.ones((4, 1), "float32")
        self._data = tf.data.Dataset.from_tensors(batch).repeat(steps)
        self._model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
        self._model.compile("sgd", "mse", jit_compile=False)

    def microseconds(self, callbacks: list[keras.callbacks.Callback], wrap: Perdured) -> float:
        """Of a step, in a fit of one epoch."""
        times = StepTimes()
        self._model.fit(self._data, verbose=0, callbacks=wrap([*callbacks, times]))
        return times.median_microseconds()


def measure(fits: Fits, callbacks: Callbacks, rounds: int, added: int) -> tuple[float, float]:
    """A step of ours and one of Keras: medians over rounds, in which either is first in turn.

    The first `added` callbacks stand for those that Perdure adds, so only Keras gets them.
    """
    times: dict[Perdured, list[float]] = {perdure.callbacks: [], list: []}
    skipped = {perdure.callbacks: added, list: 0}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for wrap in list(times)[:: 1 if number % 2 else -1]:
                own = callbacks(Path(folder))[skipped[wrap] :]
                times[wrap].append(fits.microseconds(own, wrap))
    return statistics.median(times[perdure.callbacks]), statistics.median(times[list])


def rows(steps: int, rounds: int) -> Iterator[report.Row]:
    """Both sets of callbacks; the first round of each warms up."""
    fits = Fits(steps)
    for name, callbacks, added in (
        ("as many empty callbacks", empty, 3),
        ("EarlyStopping, CSVLogger, ModelCheckpoint", typical, 0),
    ):
        measure(fits, callbacks, 1, added)
        ours, bare = measure(fits, callbacks, rounds, added)
        peer = f"Keras fit, {name}"
        yield report.Row("a train step", "us", ours, bare, peer)
        yield report.Row(
            "added to a train step (ratio: of the step)", "us", ours - bare, bare, peer
        )


def _use_folder() -> None:
    """A store that outlives Perdure's own end of the process; no save falls due."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    os.environ.update(PERDURE_STORE=f"file://{folder}", PERDURE_EVERY="3600 s")
    os.environ.update(PERDURE_JOB="benchmarks/overhead/1", PERDURE_METRICS_PORT="0")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000, help="of a fit")
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    _use_folder()
    table = list(rows(arguments.steps, arguments.rounds))
    report.write("overhead", table, {"steps": arguments.steps, "rounds": arguments.rounds})


if __name__ == "__main__":
    main()
