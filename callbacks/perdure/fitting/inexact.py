"""What cannot be exact, or cannot be seen to be: said once, with the reason and what to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from perdure.board import Board
from perdure.contract.status import Kind
from perdure.data import Source
from perdure.pipeline_internals import (
    Traits,
    ops_are_deterministic,
    pipeline_traits,
    random_ops_of,
)


def traits_of(adapter: Any) -> Traits:
    """The traits of the pipeline that Keras' data `adapter` stands for."""
    dataset = adapter.get_tf_dataset() if _has_pipeline(adapter) else None
    return Traits() if dataset is None else pipeline_traits(dataset)


def _has_pipeline(adapter: Any) -> bool:
    return isinstance(adapter, Source) or type(adapter).__name__ == "TFDatasetAdapter"


def say_inexact(
    board: Board, traits: Traits, adapter: Any = None, *, reads_ahead: bool = False
) -> None:
    """Say on `board` what cannot be exact in a pipeline of these `traits`, in the data that Keras has in
    `adapter`, and on this machine. `reads_ahead`: Python data that a strategy distributes.
    """
    said = {
        Kind.DATA_NOT_EXACT: [
            *_not_exact(traits),
            *_racing_workers(adapter),
            *(_ahead() if reads_ahead else ()),
        ],
        Kind.DATA_UNCERTAIN: [*_uncertain(traits), *_generator(adapter)],
        Kind.KERNELS_NOT_EXACT: [*_kernels(has_gpu=bool(tf.config.list_physical_devices("GPU")))],
    }
    for kind, sentences in said.items():
        for sentence in sentences:
            board.notice(kind, sentence)


def say_inexact_step(board: Board, train_function: Any) -> None:
    """Say on `board` what in Keras' `train_function`, which has run, cannot be exact."""
    ops = random_ops_of(train_function)
    if ops:
        board.notice(
            Kind.STEP_NOT_EXACT,
            f"the model or its train step has random ops of TensorFlow ({_listed(ops)}), whose state cannot be "
            f"saved: a resumed run draws other values. Use keras.random with a keras.random.SeedGenerator that "
            f"is an attribute of the model or a layer",
        )


def _not_exact(traits: Traits) -> Iterator[str]:
    if traits.unseeded:
        yield (
            f"the tf.data pipeline has random ops without a seed ({_listed(traits.unseeded)}), whose values "
            f"cannot be had again: a resumed run trains on other batches. Give them seeds, or use "
            f"perdure.data"
        )
    if traits.racing:
        yield (
            f"the tf.data pipeline has a map whose parallel calls share a state ({_listed(traits.racing)}): "
            f"which call draws first differs from run to run, disturbed or not. Use the stateless_* ops with a "
            f"seed from the element's index, leave num_parallel_calls out, or call "
            f"tf.config.experimental.enable_op_determinism()"
        )
    if traits.is_unordered:
        yield (
            "the tf.data pipeline is told deterministic=False, so elements come in the order in which they "
            "are ready, which differs from run to run, disturbed or not. Leave it out, or call "
            "tf.config.experimental.enable_op_determinism()"
        )
    if traits.is_served:
        yield (
            "the data comes from a tf.data service, whose order differs from run to run and which goes on "
            "while the trainer is away: a resumed run trains on other batches. Read the data in the trainer, "
            "best by perdure.data"
        )


def _uncertain(traits: Traits) -> Iterator[str]:
    if traits.runs_python:
        yield python_code("the tf.data pipeline runs Python code (from_generator, py_function)")
    if traits.ignores_errors:
        yield (
            "the tf.data pipeline drops elements that fail (ignore_errors): a failure that does not come again "
            "in a resumed run, such as of a file that could not be read, moves every element after it. Filter "
            "bad elements by a condition on their content"
        )


def _generator(adapter: Any) -> Iterator[str]:
    if type(adapter).__name__ == "GeneratorDataAdapter":
        yield python_code("the data is a Python generator")


def python_code(what: str) -> str:
    """The sentence on Python code that gives the batches."""
    return (
        f"{what}, which Perdure cannot look into. It is read again from the training's beginning, and exact "
        f"if it then gives the same: draw from random, numpy.random or a generator with a seed, read sets and "
        f"folders sorted. perdure run --prove tells; perdure.data needs no reading again"
    )


def _racing_workers(adapter: Any) -> Iterator[str]:
    """Workers that draw from global streams race, also in an undisturbed run."""
    dataset = getattr(adapter, "py_dataset", None)
    if (
        isinstance(dataset, keras.utils.PyDataset)
        and getattr(adapter, "enqueuer", None) is not None
    ):
        yield (
            f"{type(dataset).__name__} is read by {dataset.workers} workers at once: batches that draw from "
            f"the global streams of random or numpy.random differ from run to run, disturbed or not. Draw from "
            f"a generator seeded by the batch's index"
        )


def _ahead() -> Iterator[str]:
    """What was read ahead when the process died differs from run to run."""
    yield (
        "TensorFlow reads Python data ahead for the devices of a tf.distribute strategy: batches that draw "
        "from a generator or from the global streams of random or numpy.random differ from run to run, "
        "disturbed or not. Give fit a tf.data pipeline, arrays or perdure.data"
    )


def _kernels(*, has_gpu: bool) -> Iterator[str]:
    if has_gpu and not ops_are_deterministic():
        yield (
            "this process trains on a GPU without op determinism, so sums may be taken in another order in "
            "every run, disturbed or not. Set TF_DETERMINISTIC_OPS=1 under perdure run or on Kubernetes, where "
            "it is the default, or call tf.config.experimental.enable_op_determinism()"
        )


def _listed(ops: set[str]) -> str:
    return ", ".join(sorted(ops))
