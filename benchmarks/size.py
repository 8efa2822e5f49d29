"""What a save sends, in bytes and requests, when most of the model does not change.

    python benchmarks/size.py --megabytes 100 400 1000 4000

A frozen backbone holds 95 % of the weights, a head under Adam the rest. The figures are those of a save
after some training, to a store that has the save before. The peer is `save_weights` of the same model: its
file, and what boto3 sends of it in its default parts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import deque
from pathlib import Path

import report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from models import FLOAT_BYTES

from perdure.contract.environment import Job, Keep
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import CheckpointWriter, Saved, Snapshot
from perdure.state.reader import VariableReader
from perdure.store import Meter, metered, open_store, until_deadline

BACKBONE_LAYERS = 20
BOTO3_PART_BYTES = 8 * 1024 * 1024
BOTO3_REQUESTS_BESIDES = 2  # to begin and to complete the upload


def model_of(megabytes: int, *, is_frozen: bool) -> keras.Model:
    """A backbone of 95 % of the bytes and a head; all of the backbone is frozen, or nothing."""
    slots = 1 if is_frozen else 3  # what is trained has two slots of its size
    width = int((0.95 * megabytes * 1e6 / FLOAT_BYTES / slots / BACKBONE_LAYERS) ** 0.5)
    head = max(1, int(0.05 * megabytes * 1e6 / FLOAT_BYTES / 3 / width))
    backbone = [layers.Dense(width, trainable=not is_frozen) for _ in range(BACKBONE_LAYERS)]
    model = keras.Sequential([layers.Input((width,)), *backbone, layers.Dense(head)])
    model.compile("adam", "mse", jit_compile=False)
    return model


class Lineages:
    """Commits snapshots of a model, and tells what each has cost."""

    def __init__(self, url: str, model: keras.Model) -> None:
        self._meter, self._model, self._reader = Meter(), model, VariableReader()
        store = until_deadline(metered(open_store(url), self._meter), 300)
        job = Job("benchmark", f"size-{os.getpid()}-{id(model)}")
        lineage = Lineage(store, job, 1, print)
        lineage.claim({}, continues=False)
        self._writer = CheckpointWriter(lineage.log, Keep(1))

    def save(self, step: int) -> tuple[Saved, int]:
        """Commit the state as it is; gives the write requests too."""
        before = self._meter.requests["write"]
        tensors = deque(self._reader.read(self._model))
        saved = self._writer.write(
            Snapshot(RecordKind.CHECKPOINT, Cursor(0, 0, step), step, tensors, {})
        )
        requests = self._meter.requests["write"] - before
        self._writer.sweep()
        return saved, requests


def rows_of(megabytes: int, url: str, folder: Path, *, is_frozen: bool) -> list[report.Row]:
    """Bytes and requests of the second save beside the peer's."""
    keras.backend.clear_session()
    model = model_of(megabytes, is_frozen=is_frozen)
    width = model.input_shape[1]
    lineage = Lineages(url, model)
    x = np.random.default_rng(0).normal(size=(2, width)).astype("float32")
    y = np.zeros((2, model.output_shape[1]), "float32")
    model.train_on_batch(x, y)
    lineage.save(1)
    model.train_on_batch(x, y)
    saved, requests = lineage.save(2)
    file = folder / "peer.weights.h5"
    model.save_weights(file)
    size = file.stat().st_size
    file.unlink()
    what = f"{size / 1e6:.0f} MB, " + ("95 % of it frozen" if is_frozen else "all of it trained")
    parts = -(-size // BOTO3_PART_BYTES) + BOTO3_REQUESTS_BESIDES
    return [
        report.Row(f"sent per save, {what}", "MB", saved.sent / 1e6, size / 1e6, "save_weights"),
        report.Row(
            f"write requests per save, {what}", "requests", requests, parts,
            "save_weights by boto3 in parts of 8 MiB",
        ),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 400, 1000, 4000])
    parser.add_argument("--store", help="s3://bucket/prefix or file:///folder; else a folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        url = options.store or (Path(name) / "store").as_uri()
        rows = [
            row
            for megabytes in options.megabytes
            for is_frozen in (True, False)
            for row in rows_of(megabytes, url, Path(name), is_frozen=is_frozen)
        ]
    report.write("size", rows, {})


if __name__ == "__main__":
    main()
