"""How long a save keeps the train loop waiting: the call itself, and what the next step takes longer.

Each way of saving is tried on the same model in the same process, in turn, at the end of a train step.
Perdure's save is drained while the next steps run, and is over before the next one begins. Run it with
`python benchmarks/stall.py`; the table goes to benchmarks/results/stall.json. `--store` takes an S3
address too, with boto3's variables for endpoint and credentials; the peers always write to `--folder`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from models import batches, dense, sparse

from perdure.board import Board
from perdure.fitting.state import FitState
from perdure.lineage.chunk_writer import ChunkWriter
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import Snapshot
from perdure.state.files.managed import ManagedFiles
from perdure.store import open_store

ORDINARY_STEPS = 6
Save = Callable[[], object]
Wait = Callable[[], None]


@dataclass(frozen=True)
class Way:
    """A way of saving: what the train loop calls, and what waits until the save is over."""

    name: str
    save: Save
    wait: Wait = lambda: None


def perdure(model: keras.Model, store: str, *, is_held: bool = False) -> Way:
    """The whole of what a fit does between two steps; a thread drains the snapshot, as in a fit, or not
    before the next step is over: then that pays for TensorFlow's copies alone.
    """
    state = FitState(model, [], Board("benchmark", 0), ManagedFiles([]))
    state.prepare()
    draining: list[threading.Thread] = []
    may_drain = threading.Event()

    def drain(snapshot: Snapshot) -> None:
        may_drain.wait()
        number = time.monotonic_ns()
        ChunkWriter(open_store(store), f"stall/{number}", "writer").write(snapshot.drain())

    def save() -> None:
        if is_held:
            may_drain.clear()
        else:
            may_drain.set()
        snapshot = state.capture(RecordKind.CHECKPOINT, Cursor(0, 0, 1), 1, {})
        draining.append(threading.Thread(target=drain, args=(snapshot,)))
        draining[-1].start()

    def wait() -> None:
        may_drain.set()
        while draining:
            draining.pop().join()

    return Way("Perdure", save, wait)


def peers(model: keras.Model, folder: Path) -> Iterator[Way]:
    """What Keras and TensorFlow offer, and as the bound of all that copy: the copying alone."""
    yield Way("save_weights", lambda: model.save_weights(folder / "model.weights.h5"))
    yield Way(".keras", lambda: model.save(folder / "model.keras"))
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    yield Way("tf.train.Checkpoint", lambda: checkpoint.write(str(folder / "plain")))
    options = tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)
    keras_variables = [*model.variables, *model.optimizer.variables]
    background = tf.train.Checkpoint(variables=[variable.value for variable in keras_variables])
    yield Way(  # of the variables behind those of Keras 3, which it fails to copy
        "tf.train.Checkpoint, async",
        lambda: background.write(str(folder / "async"), options=options),
        background.sync,
    )
    backup = keras.callbacks.BackupAndRestore(str(folder / "backup"), save_freq=1)
    backup.set_model(model)
    backup._current_epoch = 0
    yield Way("BackupAndRestore", lambda: backup.on_train_batch_end(0))
    values = [np.asarray(variable) for variable in keras_variables]
    room = [np.ones_like(value) for value in values]
    yield Way(  # what copying so many bytes into memory that is there takes at least
        "memcpy", lambda: [np.copyto(*pair) for pair in zip(room, values, strict=True)]
    )


class Steps:
    """Single train steps of a model, timed."""

    def __init__(self, model: keras.Model) -> None:
        self._iterator = iter(batches(model))
        model.fit(batches(model), steps_per_epoch=2, verbose=0)
        self._function = model.train_function

    def seconds(self) -> float:
        """Of the next step, until its values are there."""
        began = time.perf_counter()
        logs = self._function(self._iterator)
        float(logs["loss"])
        return time.perf_counter() - began


@dataclass(frozen=True)
class Stall:
    """Seconds that a save takes from training: the call, and what the next step takes longer."""

    call: float
    next_step: float


def stall(way: Way, steps: Steps, rounds: int) -> Stall:
    """The medians; the first save warms up."""
    calls, next_steps = [], []
    for _ in range(rounds + 1):
        ordinary = statistics.median(steps.seconds() for _ in range(ORDINARY_STEPS))
        began = time.perf_counter()
        way.save()
        calls.append(time.perf_counter() - began)
        next_steps.append(max(0.0, steps.seconds() - ordinary))
        way.wait()
    return Stall(statistics.median(calls[1:]), statistics.median(next_steps[1:]))


def rows(name: str, model: keras.Model, options: argparse.Namespace) -> Iterator[report.Row]:
    """Every peer beside Perdure."""
    steps = Steps(model)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = options.store or f"file://{folder}"
        ours = stall(perdure(model, store), steps, options.rounds)
        held = stall(perdure(model, store, is_held=True), steps, options.rounds)
        yield report.Row(
            f"{options.megabytes} MB, {name}: all, drained after the next step",
            "ms",
            *((way.call + way.next_step) * 1e3 for way in (held, ours)),
            "Perdure, drained at once",
        )
        shutil.rmtree(Path(folder) / "stall", ignore_errors=True)
        for peer in peers(model, Path(folder)):
            theirs = stall(peer, steps, options.rounds)
            what = f"{options.megabytes} MB, {name}"
            both = (ours.call + ours.next_step, theirs.call + theirs.next_step)
            for part, one, other in (("all", *both), ("the call", ours.call, theirs.call)):
                yield report.Row(f"{what}: {part}", "ms", one * 1e3, other * 1e3, peer.name)


def models(megabytes: int) -> Iterator[tuple[str, Callable[[], keras.Model]]]:
    """The sizes and kinds of state."""
    for variables in (60, 800, 3000):
        yield f"{variables} variables", lambda count=variables: dense(megabytes, count)
    yield "embedding, SGD", lambda: sparse(megabytes, "sgd")
    yield "embedding and slots, Adam", lambda: sparse(megabytes // 3, "adam")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", help="where Perdure saves to; default: --folder, as its peers")
    parser.add_argument("--folder", default="/dev/shm", help="where the peers write")
    options = parser.parse_args()
    table: list[report.Row] = []
    for name, build in models(options.megabytes):
        table += rows(name, build(), options)
        keras.backend.clear_session()
    report.write("stall", table, {"rounds": options.rounds})


if __name__ == "__main__":
    main()
