"""A training that was killed, as a file for serving: it has the values of the last committed step."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import commanded, served
from trainers import Job, Nursery

from perdure.contract.environment import Job as Name
from perdure.lineage.chunk_reader import read_tensors
from perdure.lineage.lineage import Lineage
from perdure.store import open_store

DATA = """
import numpy as np
rng = np.random.default_rng(0)
x = rng.normal(size=(64, 4)).astype("float32")
y = x.sum(1, keepdims=True).astype("float32")
def own():
    layers = keras.layers
    return keras.Sequential(
        [layers.Input((4,)), layers.Dense(4), layers.Dropout(0.2), layers.Dense(1)]
    )
"""
EVALUATE = f"""{DATA}
if path.endswith(".npz"):
    model = own()
    values = np.load(path)
    model.set_weights([values[name] for name in values.files])
elif path.endswith(".keras"):
    model = keras.models.load_model(path)
    assert type(model.optimizer).__name__ == "Adam"
else:
    model = own()
    model.load_weights(path)
if not model.compiled:
    model.compile("adam", "mse")
result = [model.evaluate(x, y, verbose=0), [w.tobytes().hex() for w in model.get_weights()]]
"""


def weights_of_newest(job: Job) -> dict[str, np.ndarray[Any, Any]]:
    """The model's weights in the newest checkpoint, read without Keras; the generator's state is none."""
    lineage = Lineage(open_store(job.store), Name.parse(job.name), 0, pytest.fail)
    *_, (_, _, checkpoint) = lineage.saved()
    entries = [
        e
        for e in checkpoint.tensors
        if e.group == "model" and not e.path.startswith("seed_generator")
    ]
    arrays = read_tensors(lineage.log.store, lineage.log.prefix, entries)
    return {f"{i:03d}": array for i, array in enumerate(arrays)}


@pytest.mark.slow
def test_a_killed_training(nursery: Nursery, tmp_path: Path) -> None:
    job = Job(nursery, tmp_path, "plain.py", environ={"PERDURE_EVERY": "1 steps"})
    job.kill(signal.SIGKILL, after=11)
    files = [tmp_path / name for name in ("model.keras", "model.weights.h5", "model.npz")]
    for file in files[:2]:
        printed = commanded(job.store, "export", "--job", job.name, "--to", str(file))
        assert "checkpoint" in printed
    np.savez(files[2], **weights_of_newest(job))
    model, weights, expected = served(EVALUATE, *files)
    assert len(expected[1]) == 4
    assert model == weights == expected
