"""What compressing a chunk saves, and how fast it is: what decides from which link on it is worth it.

    python benchmarks/compression.py

A small network is trained for some steps; its weights and the slots of its optimizer are compressed as a
save to a slow link does it, chunk by chunk on one core. The peer is the same compressor without putting bytes
of equal significance together first.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import zstandard
from models import FLOAT_BYTES, dense

from perdure.lineage import encoding
from perdure.lineage.table import CHUNK_BYTES, cut

Bytes = bytes | memoryview
PEER = "zstd without the shuffle"


def trained(megabytes: int, steps: int) -> keras.Model:
    """A network under Adam after `steps` of regression with noise."""
    keras.utils.set_random_seed(0)
    model = dense(megabytes, 24)
    random = np.random.default_rng(0)
    x = random.normal(size=(64, model.input_shape[1])).astype("float32")
    for _ in range(steps):
        y = x @ np.roll(np.eye(x.shape[1], dtype="float32"), 1, 0) + random.normal(size=x.shape)
        model.train_on_batch(x, y.astype("float32"))
    return model


def cases(megabytes: int, steps: int) -> dict[str, bytes]:
    """Bytes of each kind of state."""
    fresh, model = trained(megabytes, 0), trained(megabytes, steps)
    slots = model.optimizer.variables[2:]  # before them: the step's number and the learning rate
    named = {
        "float32 weights, as initialized": fresh.weights,
        f"float32 weights after {steps} steps": model.weights,
        f"Adam's first moments after {steps} steps": [v for v in slots if "momentum" in v.path],
        f"Adam's second moments after {steps} steps": [v for v in slots if "velocity" in v.path],
        "zeros": [np.zeros((megabytes * 1_000_000 // 3 // FLOAT_BYTES,), np.float32)],
    }
    return {what: b"".join(np.asarray(v).tobytes() for v in held) for what, held in named.items()}


def measured(compress: Callable[[Bytes], Bytes], data: bytes) -> tuple[float, float]:
    """Which part of `data` is left, and megabytes per second."""
    view = memoryview(data)
    began = time.perf_counter()
    sizes = [len(compress(view[span.start : span.stop])) for span in cut(len(data))]
    return sum(sizes) / len(data), len(data) / 1e6 / (time.perf_counter() - began)


def shuffled(data: Bytes) -> Bytes:
    """As a save does it."""
    return encoding.compress(data, FLOAT_BYTES)[1]


def plain(data: Bytes) -> Bytes:
    """The compressor alone."""
    return zstandard.ZstdCompressor(level=encoding.LEVEL).compress(data)


def rows(what: str, data: bytes) -> list[report.Row]:
    """Ours and the peer's."""
    (left, speed), (peer_left, peer_speed) = measured(shuffled, data), measured(plain, data)
    return [
        report.Row(f"left of {what}", "part", left, peer_left, PEER),
        report.Row(f"speed for {what}", "MB/s and core", speed, peer_speed, PEER),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200, help="weights and slots together")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    found = [
        row
        for what, data in cases(options.megabytes, options.steps).items()
        for row in rows(what, data)
    ]
    report.write("compression", found, {"chunks of MiB": CHUNK_BYTES // 2**20})


if __name__ == "__main__":
    main()
