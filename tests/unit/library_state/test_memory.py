"""How much memory a save of TensorFlow's variables takes, as docs/checkpoints.md says under "Memory"."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from slow_store import SlowStore

from perdure.lineage.chunk_writer import ChunkWriter
from perdure.state.reader import VariableReader

MiB = 1024 * 1024
WIDTH = 4096
LAYERS = 4
STATE = LAYERS * WIDTH * WIDTH * 4


def resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def growth(reader: VariableReader, model: keras.Model, meanwhile: Callable[[], None]) -> int:
    """The most by which the process grows in a save, `meanwhile` included."""
    before = resident()
    tensors = deque(reader.read(model))
    meanwhile()
    seen = [resident()]
    store = SlowStore(lambda: seen.append(resident()))
    ChunkWriter(store, "p", "w" * 32).write(tensors.popleft() for _ in range(len(tensors)))
    return max(seen) - before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux' /proc")
def test_a_copy_exists_only_of_what_is_written_meanwhile():
    """Of S bytes: nothing while no step is made; S once a step has written all variables."""
    model = keras.Sequential([keras.layers.Input((WIDTH,))])
    for n in range(LAYERS):
        model.add(keras.layers.Dense(WIDTH, use_bias=False, kernel_initializer="zeros"))
        model.layers[-1].kernel.assign(tf.random.stateless_uniform((WIDTH, WIDTH), (n, 0)))

    def step() -> None:
        for layer in model.layers:
            layer.kernel.assign_add(tf.ones_like(layer.kernel))

    reader = VariableReader()
    reader.prepare(model)
    assert growth(reader, model, lambda: None) < STATE / 4
    assert STATE / 2 < growth(reader, model, step) < 1.5 * STATE
