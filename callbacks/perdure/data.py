"""Index-first data: sources whose order in an epoch depends on (seed, epoch) alone.

Resuming one costs nothing, however far training has come: its state is the batch number. What is made
here is given to `fit` as `x`, without `y`, `batch_size` or `class_weight`.

    train = perdure.data.arrays((images, labels), batch_size=64)
    train = perdure.data.indexed(len(files), load, batch_size=64)
    train = perdure.data.epochs(lambda epoch: make_dataset(seed=epoch))
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import tensorflow as tf

from perdure.keras_internals import DataAdapter

ShuffleSeed = int | None


class Source(DataAdapter):  # type: ignore[misc]
    """Data that can say what its batches from any batch of any epoch on are."""

    def dataset(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        """The batches of `epoch` from batch `start` on."""
        raise NotImplementedError

    def get_tf_dataset(self) -> tf.data.Dataset:
        """The first epoch: what Keras looks at for shapes, and what `evaluate` runs over."""
        return self.dataset(0)

    @cached_property
    def num_batches(self) -> int | None:
        """Batches of an epoch, None where only iterating tells."""
        cardinality = int(self.get_tf_dataset().cardinality())
        return cardinality if cardinality >= 0 else None

    @property
    def batch_size(self) -> None:
        """Not known to Keras."""
        return

    has_partial_batch = None
    partial_batch_size = None


class _Epochs(Source):
    def __init__(self, factory: Callable[[int], tf.data.Dataset]) -> None:
        self._factory = factory
        self._checked(0)

    def dataset(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        # Made anew each time: one that shuffles has another order each time it is iterated.
        dataset = self._checked(epoch)
        return dataset.skip(start) if start else dataset

    def _checked(self, epoch: int) -> tf.data.Dataset:
        dataset = self._factory(epoch)
        if not isinstance(dataset, tf.data.Dataset):
            raise TypeError(
                f"perdure.data.epochs: expected a function epoch -> tf.data.Dataset. "
                f"Received: a {type(dataset).__name__} for epoch {epoch}."
            )
        return dataset


class _Indexed(Source):
    def __init__(
        self, count: int, fetch: Callable[[Any], Any], batch_size: int, seed: int, *,
        shuffle: bool, drop_remainder: bool,
    ) -> None:  # fmt: skip
        self._count = count
        self._fetch = fetch
        self._size = batch_size
        self._seed = seed
        self._shuffle = shuffle
        self._drop_remainder = drop_remainder

    def dataset(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        # The epoch and the start are tensors, so that every epoch has the same traced functions.
        first = min(start * self._size, self._count)
        indices = tf.data.Dataset.range(first, self._count)
        if self._shuffle:
            seed = tf.constant([self._seed, epoch], tf.int64)
            last = self._count - 1
            indices = indices.map(lambda i: tf.random.experimental.index_shuffle(i, seed, last))
        batches = indices.batch(self._size, drop_remainder=self._drop_remainder)
        return batches.map(self._fetch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(
            tf.data.AUTOTUNE
        )


def epochs(factory: Callable[[int], tf.data.Dataset]) -> Source:
    """One dataset per epoch, made by `factory(epoch)` when the epoch begins.

    Resuming inside an epoch passes over its finished batches with `skip`. The datasets must be
    functions of the epoch: no random op without a seed in them.
    """
    return _Epochs(factory)


def indexed(
    count: int, fetch: Callable[[Any], Any], *, batch_size: int, seed: ShuffleSeed = None,
    shuffle: bool = True, drop_remainder: bool = False,
) -> Source:  # fmt: skip
    """Batches of `fetch(indices)`, a TensorFlow function of an int64 tensor of shape `(batch,)`.

    Args:
        count: how many samples there are.
        fetch: gives what `fit` takes as a batch, such as `(x, y)`.
        batch_size: samples in a batch; the last one may be smaller unless `drop_remainder`.
        seed: of the order; the lineage's seed by default.
        shuffle: whether each epoch has an order of its own, or all have 0, 1, 2, ...
        drop_remainder: whether a smaller last batch is left out.
    """
    if count < 1 or batch_size < 1:
        raise ValueError(
            f"perdure.data: expected count and batch_size of at least 1. "
            f"Received: count={count}, batch_size={batch_size}."
        )
    chosen = _lineage_seed() if seed is None else seed
    return _Indexed(
        count, fetch, batch_size, chosen, shuffle=shuffle, drop_remainder=drop_remainder
    )


def arrays(
    data: Any, *, batch_size: int, seed: ShuffleSeed = None, shuffle: bool = True,
    drop_remainder: bool = False,
) -> Source:  # fmt: skip
    """Batches of rows of the arrays in `data`, such as `(x, y)` or `({"a": a, "b": b}, y)`."""
    tensors = tf.nest.map_structure(tf.convert_to_tensor, data)
    counts = {int(tensor.shape[0]) for tensor in tf.nest.flatten(tensors)}
    if len(counts) != 1:
        raise ValueError(
            f"perdure.data.arrays: expected arrays of one length. Received: {sorted(counts)}."
        )

    def fetch(indices: Any) -> Any:
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, indices), tensors)

    return indexed(
        counts.pop(),
        fetch,
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        drop_remainder=drop_remainder,
    )


def _lineage_seed() -> int:
    from perdure.attempt import current

    return current().fixed.seed
