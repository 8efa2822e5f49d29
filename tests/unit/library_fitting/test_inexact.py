"""What cannot be exact in a pipeline is found and said, and nothing is said of one that can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter
from keras.src.trainers.data_adapters.tf_dataset_adapter import TFDatasetAdapter
from tensorflow.python.framework.config import disable_op_determinism

import perdure.data
from perdure.board import Board
from perdure.contract.status import Kind
from perdure.fitting import inexact
from perdure.fitting.inexact import say_inexact, say_inexact_step, traits_of
from perdure.pipeline_internals import pipeline_traits, random_ops_of

Pipeline = Callable[[], Any]
PARALLEL: dict[str, Any] = {"num_parallel_calls": 2}
SEED = [1, 2]


@pytest.fixture(autouse=True)
def _unseeded() -> None:
    """Other tests of the process may have set the global seed, which seeds every op."""
    tf.random.set_seed(None)


def numbers() -> Any:
    return tf.data.Dataset.range(8)


def said(dataset: Any) -> list[tuple[str, str]]:
    return said_of(TFDatasetAdapter(dataset))


def said_of(adapter: Any) -> list[tuple[str, str]]:
    board = Board("job", 1)
    say_inexact(board, traits_of(adapter), adapter)
    return [(notice.kind, notice.message) for notice in board.status().notices]


def unordered(dataset: Any) -> Any:
    options = tf.data.Options()
    options.deterministic = False
    return dataset.with_options(options)


def generated() -> Any:
    def count() -> Iterator[int]:
        yield from range(3)

    return tf.data.Dataset.from_generator(count, output_signature=tf.TensorSpec((), tf.int64))


def drawn(x: Any) -> Any:
    return tf.random.uniform(()), x


def drawn_seeded(x: Any) -> Any:
    return tf.random.uniform((), seed=3), x


def drawn_stateless(x: Any) -> Any:
    return tf.random.stateless_uniform((), seed=tf.stack([x, 1])), x


@tf.function
def doubled(x: Any) -> Any:
    return x * 2


def by_layer(**arguments: Any) -> Any:
    noise = keras.layers.GaussianNoise(0.1, seed=3)
    return numbers().map(lambda x: noise(tf.cast(x, tf.float32)[None], training=True), **arguments)


def by_generator(**arguments: Any) -> Any:
    generator = tf.random.Generator.from_seed(3)
    return numbers().map(lambda x: generator.uniform(()), **arguments)


NOT_EXACT: dict[str, tuple[Pipeline, str]] = {
    "shuffle": (lambda: numbers().shuffle(8), "shuffle without a seed"),
    "shuffle far below": (lambda: numbers().shuffle(8).batch(2).prefetch(1), "shuffle without a seed"),
    "shuffle of one of two": (lambda: tf.data.Dataset.zip(numbers(), numbers().shuffle(8)), "shuffle w"),
    "shuffle in interleave": (lambda: numbers().interleave(lambda x: numbers().shuffle(8)), "shuffle without"),
    "shuffle in flat_map": (lambda: numbers().flat_map(lambda x: numbers().shuffle(8)), "shuffle without"),
    "list_files": (lambda: tf.data.Dataset.list_files([__file__]), "shuffle without a seed"),
    "random": (lambda: tf.data.Dataset.random().take(3), "random or sample_from_datasets without a seed"),
    "sample": (
        lambda: tf.data.Dataset.sample_from_datasets([numbers(), numbers()]), "sample_from_datasets without",
    ),
    "map": (lambda: numbers().map(drawn), "RandomUniform"),
    "filter": (lambda: numbers().filter(lambda x: tf.random.uniform(()) > 0.5), "RandomUniform"),
    "map of a function": (lambda: numbers().map(tf.function(drawn)), "RandomUniform"),
    "crop": (
        lambda: numbers().map(lambda x: tf.image.random_crop(tf.zeros((8, 8, 3)), (4, 4, 3))),
        "RandomUniformInt",
    ),
    "seeded map in parallel": (lambda: numbers().map(drawn_seeded, **PARALLEL), "share a state (Random"),
    "layer in parallel": (lambda: by_layer(**PARALLEL), "share a state (AssignVariableOp"),
    "generator in parallel": (lambda: by_generator(**PARALLEL), "share a state (RngReadAndSkip)"),
    "parallel map in interleave": (
        lambda: numbers().interleave(lambda x: numbers().map(drawn_seeded, **PARALLEL)),
        "share a state (RandomUniform)",
    ),
    "unordered map": (lambda: numbers().map(doubled, deterministic=False, **PARALLEL), "deterministic=False"),
    "unordered batch": (lambda: numbers().batch(2, deterministic=False, **PARALLEL), "deterministic=False"),
    "unordered interleave": (
        lambda: numbers().interleave(lambda x: numbers(), deterministic=False, **PARALLEL).batch(2),
        "deterministic=False",
    ),
    "unordered by options": (lambda: unordered(numbers()).map(doubled, **PARALLEL), "deterministic=False"),
}  # fmt: skip
UNCERTAIN: dict[str, tuple[Pipeline, str]] = {
    "from_generator": (generated, "runs Python code"),
    "py_function": (
        lambda: numbers().map(lambda x: tf.py_function(lambda y: y, [x], tf.int64)), "runs Python code",
    ),
    "numpy_function in interleave": (
        lambda: numbers().interleave(
            lambda x: numbers().map(lambda y: tf.numpy_function(np.sin, [y], tf.float64))
        ),
        "runs Python code",
    ),
    "ignore_errors": (lambda: numbers().ignore_errors(), "ignore_errors"),
    "ignore_errors in interleave": (
        lambda: numbers().interleave(lambda x: numbers().ignore_errors()), "ignore_errors",
    ),
}  # fmt: skip
EXACT: dict[str, Pipeline] = {
    "shuffle": lambda: numbers().shuffle(8, seed=3).batch(2),
    "shuffle with seed 0": lambda: numbers().shuffle(8, seed=0),
    "shuffle in interleave": lambda: numbers().interleave(lambda x: numbers().shuffle(8, seed=3)),
    "list_files": lambda: tf.data.Dataset.list_files([__file__], seed=3),
    "files in their order": lambda: tf.data.Dataset.list_files([__file__], shuffle=False),
    "random": lambda: tf.data.Dataset.random(seed=3).take(3),
    "sample": lambda: tf.data.Dataset.sample_from_datasets([numbers(), numbers()], seed=3),
    "seeded map": lambda: numbers().map(drawn_seeded),
    "seeded map of one call": lambda: numbers().map(drawn_seeded, num_parallel_calls=1),
    "stateless map in parallel": lambda: numbers().map(drawn_stateless, **PARALLEL),
    "function called in parallel": lambda: numbers().map(doubled, **PARALLEL),
    "ordered map": lambda: numbers().map(doubled, deterministic=True, **PARALLEL),
    "ordered interleave": lambda: numbers().interleave(lambda x: numbers(), **PARALLEL),
    "layer": by_layer,
    "generator": by_generator,
    "filter": lambda: numbers().filter(lambda x: x > 3),
    "nothing special": lambda: (
        tf.data.Dataset.from_tensor_slices(np.ones((4, 2))).repeat().batch(2)
    ),
}


@pytest.mark.parametrize("name", NOT_EXACT)
def test_what_is_not_exact(name):
    make, words = NOT_EXACT[name]
    ((kind, message),) = said(make())
    assert kind == Kind.DATA_NOT_EXACT
    assert words in message


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_cannot_be_looked_into(name):
    make, words = UNCERTAIN[name]
    ((kind, message),) = said(make())
    assert kind == Kind.DATA_UNCERTAIN
    assert words in message


@pytest.mark.parametrize("name", EXACT)
def test_nothing_is_said_of_what_is_exact(name):
    assert said(EXACT[name]()) == []


@pytest.mark.parametrize("make", [by_layer, by_generator, lambda: numbers().map(drawn_seeded)])
def test_a_state_in_the_pipeline_goes_on_over_epochs(make):
    assert pipeline_traits(make()).keeps_state_across_epochs


def test_several_things_are_said_each():
    dataset = unordered(numbers().shuffle(8).map(drawn_seeded, **PARALLEL)).ignore_errors()
    assert [kind for kind, _ in said(dataset)] == [Kind.DATA_NOT_EXACT] * 3 + [Kind.DATA_UNCERTAIN]


@pytest.fixture
def op_determinism() -> Iterator[None]:
    tf.config.experimental.enable_op_determinism()
    yield
    disable_op_determinism()


@pytest.mark.usefixtures("op_determinism")
@pytest.mark.parametrize(
    "name",
    ["seeded map in parallel", "unordered map", "unordered interleave", "unordered by options"],
)
def test_op_determinism_keeps_every_order(name):
    assert said(NOT_EXACT[name][0]()) == []


def test_a_large_pipeline_is_not_copied_for_one_argument(monkeypatch):
    monkeypatch.setattr("perdure.pipeline_internals.LOOKED_THROUGH_BYTES", 1000)
    large = tf.data.Dataset.from_tensor_slices(np.ones(1000))
    dataset = large.interleave(lambda x: numbers(), deterministic=False, **PARALLEL)
    monkeypatch.setattr(type(dataset), "_as_serialized_graph", None)
    assert said(dataset) == []


def test_tf_data_service():
    dispatcher = tf.data.experimental.service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    worker = tf.data.experimental.service.WorkerServer(
        tf.data.experimental.service.WorkerConfig(dispatcher_address=address)
    )
    distribute = tf.data.experimental.service.distribute("distributed_epoch", dispatcher.target)
    ((kind, message),) = said(numbers().apply(distribute))
    assert kind == Kind.DATA_NOT_EXACT
    assert "tf.data service" in message
    worker.stop()
    dispatcher.stop()


def test_a_python_generator():
    batches = ((np.ones((2, 1)), np.ones(2)) for _ in range(3))
    ((kind, message),) = said_of(GeneratorDataAdapter(batches))
    assert kind == Kind.DATA_UNCERTAIN
    assert message.startswith("the data is a Python generator")


def test_sources_of_perdure_are_looked_into():
    def fetch(indices: Any) -> Any:
        return tf.random.uniform(tf.shape(indices))

    source = perdure.data.indexed(8, fetch, batch_size=2, seed=1)
    assert [kind for kind, _ in said_of(source)] == [Kind.DATA_NOT_EXACT] * 2
    assert said_of(perdure.data.arrays(np.ones((4, 2)), batch_size=2, seed=1)) == []
    assert said_of(perdure.data.epochs(lambda epoch: numbers().shuffle(8, seed=epoch + 1))) == []
    ((kind, _),) = said_of(perdure.data.epochs(lambda epoch: numbers().shuffle(8)))
    assert kind == Kind.DATA_NOT_EXACT


class Noisy(keras.Model):
    """Draws from TensorFlow in its call, or from Keras."""

    def __init__(self, *, by_keras: bool):
        super().__init__()
        self.by_keras = by_keras
        self.seeds = keras.random.SeedGenerator(3)
        self.parts = keras.Sequential(
            [keras.layers.RandomFlip(), keras.layers.Flatten(), keras.layers.Dropout(0.3),
             keras.layers.GaussianNoise(0.1), keras.layers.Dense(1)]
        )  # fmt: skip

    def call(self, x: Any, training: bool = False) -> Any:
        shape = tf.shape(x)
        drawn = (
            keras.random.normal(shape, seed=self.seeds)
            if self.by_keras
            else tf.random.normal(shape)
        )
        return self.parts(x + drawn, training=training)


@pytest.mark.parametrize(("by_keras", "steps_per_execution"), [(True, 1), (False, 2)])
def test_random_ops_of_the_step(by_keras, steps_per_execution):
    tf.random.set_seed(3)
    model = Noisy(by_keras=by_keras)
    model.compile("adam", "mse", steps_per_execution=steps_per_execution)
    model.fit(np.ones((8, 4, 4, 3)), np.ones((8, 1)), batch_size=2, verbose=0)
    board = Board("job", 1)
    say_inexact_step(board, model.train_function)
    said = [(notice.kind, notice.message) for notice in board.status().notices]
    assert [kind for kind, _ in said] == ([] if by_keras else [Kind.STEP_NOT_EXACT])
    assert by_keras or "(RandomStandardNormal)" in said[0][1]


def test_ops_of_recurrent_layers_on_a_gpu_are_none():
    """They are traced here, and would run on a GPU alone."""

    @tf.function
    def step() -> Any:
        states = tf.zeros((1, 1, 1))
        parameters: dict[str, Any] = {
            "params": tf.zeros(16),
            "is_training": True,
            "sequence_lengths": [1],
        }
        return tf.raw_ops.CudnnRNNV3(
            input=states, input_h=states, input_c=states, **parameters
        ), tf.random.uniform(())  # fmt: skip

    step.get_concrete_function()
    assert random_ops_of(step) == {"RandomUniform"}


def test_kernels_of_a_gpu():
    (sentence,) = inexact._kernels(has_gpu=True)
    assert "TF_DETERMINISTIC_OPS=1" in sentence
    assert list(inexact._kernels(has_gpu=False)) == []


@pytest.mark.usefixtures("op_determinism")
def test_kernels_of_a_gpu_with_op_determinism():
    assert list(inexact._kernels(has_gpu=True)) == []


def test_files_are_found(tmp_path: Path):
    names = [str(tmp_path / name) for name in "ab"]
    for name in names:
        Path(name).write_text("line\n")
    remote = ["gs://bucket/a", "gs://bucket/b"]
    slices = tf.data.Dataset.from_tensor_slices
    for dataset, files in (
        (tf.data.Dataset.list_files(names, shuffle=False), names),
        (tf.data.TextLineDataset(names).batch(2), names),
        (tf.data.TFRecordDataset(names, num_parallel_reads=2), names),
        (slices(names).interleave(tf.data.TextLineDataset, **PARALLEL), names),
        (slices((names, [0, 1])).map(lambda name, y: (tf.io.read_file(name), y)), names),
        (slices(remote).map(tf.io.read_file), remote),
        (slices(["some text", "more text"]), []),
        (slices(["", "b\0c"]), []),
        (numbers(), []),
    ):
        assert pipeline_traits(dataset).files == files
