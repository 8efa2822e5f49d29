"""The batches of a loop's epochs: drawn as a plain `for` would, and passed over where they were trained on.

What is given anew in every epoch begins anew; an iterator goes on. A data set that the dead run iterated in
each epoch is iterated as often again, because shuffles count that; one that keeps more than a count is
read again from the loop's begin.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from perdure.data import Source
from perdure.fitting.inputs import inputs_of
from perdure.pipeline_internals import Traits, pipeline_traits
from perdure.state import streams

END: Any = object()
"""Stands for the batch after the last one."""
KINDS = "a tf.data.Dataset, something made by perdure.data, a keras.utils.PyDataset, or an iterable of batches"


class Way:
    """One kind of data: any iterable."""

    is_python = True
    """Whether it may draw from the global streams of random and numpy.random."""
    keeps_state = True
    """Whether an epoch depends on more of those before than how often they were begun."""
    reads_ahead = False
    """Whether it may have changed beyond the last batch that was drawn."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.traits = Traits()

    def begin(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """The batches of an epoch; from `start` on, where it can seek."""
        return iter(self.data)

    @property
    def length(self) -> int | None:
        """Batches of an epoch, where that is known."""
        return len(self.data) if hasattr(self.data, "__len__") else None

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What it is made from, as far as it can be seen."""
        return inputs_of(self.traits)


class SourceWay(Way):
    """Made by perdure.data: seeks."""

    is_python = keeps_state = False

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.traits = pipeline_traits(data.get_tf_dataset())

    def begin(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Any batch of any epoch."""
        return iter(self.data.dataset(epoch, start))

    @property
    def length(self) -> int | None:
        """As Keras is told."""
        batches: int | None = self.data.num_batches
        return batches


class DatasetWay(Way):
    """A tf.data pipeline."""

    is_python = False

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.traits = pipeline_traits(data)
        self.keeps_state = self.reads_ahead = self.traits.keeps_state_across_epochs

    @property
    def length(self) -> int | None:
        """Its cardinality."""
        cardinality = int(self.data.cardinality())
        return cardinality if cardinality >= 0 else None


class PyDatasetWay(Way):
    """Batches by their index, in their order, read in this thread."""

    def begin(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """With the data set's own hooks, as `fit` calls them."""
        self.data.on_epoch_begin()
        indices = itertools.count() if self.length is None else range(self.length)
        for index in indices:
            yield self.data[index]
        self.data.on_epoch_end()

    @property
    def length(self) -> int | None:
        """None where it is endless."""
        batches: int | None = self.data.num_batches
        return batches


def way_of(data: Any) -> Way:
    """How `data` is read.

    Raises:
        TypeError: it is no iterable of batches, or would be taken apart into something else.
    """
    if isinstance(data, Source):
        return SourceWay(data)
    if isinstance(data, tf.data.Dataset):
        return DatasetWay(data)
    if isinstance(data, keras.utils.PyDataset):
        return PyDatasetWay(data)
    is_array = isinstance(data, np.ndarray | tf.Tensor | tuple | dict | str | bytes)
    if is_array or not isinstance(data, Iterable):
        raise TypeError(
            f"loop.batches: expected {KINDS}; arrays by perdure.data.arrays((x, y), batch_size=32). "
            f"Received: a {type(data).__name__}."
        )
    return Way(data)


class Batches:
    """The data of one loop, epoch by epoch."""

    def __init__(self) -> None:
        self._drawn: list[tuple[int, bool]] = []
        """Of each epoch before this one how many batches were drawn, and whether they came to their end."""
        self._is_one: bool | None = None
        """Whether all epochs so far had the same data, None before there were two."""
        self._before: list[weakref.ref[Any]] = []
        """What earlier epochs had, as far as it still exists; builtin lists and iterators are not noted."""
        self._way: Way | None = None
        self._iterator: Iterator[Any] = iter(())
        self.count, self._has_ended = 0, False
        """Batches that were drawn of this epoch."""
        self._host_at_loop = self._host_at_epoch = streams.capture_host()

    @property
    def way(self) -> Way:
        """That of this epoch."""
        assert self._way is not None, "an epoch's data begins before its batches"
        return self._way

    def was_left(self) -> bool:
        """Whether the epoch was left at a place that the next epoch depends on, and that differs from run to
        run.
        """
        return self._way is not None and self._way.reads_ahead and not self._has_ended

    def to_state(self) -> dict[str, Any]:
        """Where the data stands, beside the number of this epoch's batches."""
        is_python = self._way is not None and self._way.is_python
        return {
            "drawn": [list(epoch) for epoch in self._drawn],
            "is_one": self._is_one,
            "host_at_loop": self._host_at_loop if is_python else None,
            "host_at_epoch": self._host_at_epoch if is_python else None,
        }

    def begin(self, data: Any, epoch: int) -> None:
        """An epoch begins.

        Raises:
            TypeError, ValueError: the data cannot be passed over by a process that goes on from here.
        """
        way = self._way if self._way is not None and self._way.data is data else way_of(data)
        if self._way is not None:
            self._is_one = self._follow(way, self._way, epoch)
            self._drawn.append((self.count, self._has_ended))
        if way.is_python:
            self._host_at_epoch = streams.capture_host()
        self._enter(way, way.begin(epoch), 0)

    def _follow(self, way: Way, before: Way, epoch: int) -> bool:
        """Whether it is the same data in all epochs, rather than other data in each."""
        is_same = way is before
        was_before = any(reference() is way.data for reference in self._before)
        if self._is_one is (not is_same) or (was_before and not is_same):
            raise ValueError(
                f"loop.batches: expected the same data in every epoch, or other data in each. "
                f"Received: in epoch {epoch} {'the data of' if was_before else 'other data than in'} an "
                f"earlier one. Use perdure.data.epochs(function) for data that depends on the epoch."
            )
        return is_same

    def _enter(self, way: Way, iterator: Iterator[Any], count: int) -> None:
        if way is not self._way and type(way.data).__weakrefoffset__:
            living = [reference for reference in self._before if reference() is not None]
            self._before = [*living, weakref.ref(way.data)]
        self._way, self._iterator = way, iterator
        self.count, self._has_ended = count, False

    def next(self) -> Any:
        """The next batch, `END` after the last."""
        batch = next(self._iterator, END)
        if batch is END:
            self._has_ended = True
        else:
            self.count += 1
        return batch

    def pass_over(
        self, data: Any, epoch: int, count: int, saved: dict[str, Any], on_pull: Callable[[], None]
    ) -> Iterator[Any]:
        """Go to batch `count` of `epoch`, in the state that `to_state` told; what of the epoch is read
        on the way is given out, at least its first batch where there is one. It may end too early.
        """
        way = way_of(data)
        self._drawn = [(drawn, has_ended) for drawn, has_ended in saved["drawn"]]
        self._is_one = saved["is_one"]
        if isinstance(way, SourceWay):
            yield from itertools.islice(way.begin(epoch), min(count, 1))
            self._enter(way, way.begin(epoch, count), count)
            return
        self._restore_host(way, saved["host_at_loop"])
        if self._is_one is not False:
            self._read_again(way, on_pull)
        self._restore_host(way, saved["host_at_epoch"])
        self._host_at_loop = saved["host_at_loop"] or self._host_at_loop
        self._host_at_epoch = saved["host_at_epoch"] or self._host_at_epoch
        self._enter(way, way.begin(epoch), 0)
        while self.count < count and (batch := self.next()) is not END:
            on_pull()
            yield batch

    def _restore_host(self, way: Way, state: dict[str, Any] | None) -> None:
        if way.is_python and state is not None:
            streams.restore_host(state)

    def _read_again(self, way: Way, on_pull: Callable[[], None]) -> None:
        """Begin what the epochs before this one had, and draw from it where that counts."""
        for epoch, (drawn, has_ended) in enumerate(self._drawn):
            iterator = way.begin(epoch)
            for _ in range((drawn + has_ended) if way.keeps_state else 0):
                next(iterator, END)
                on_pull()
