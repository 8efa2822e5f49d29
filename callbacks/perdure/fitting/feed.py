"""The data side of a walk: which batches are pulled, passed over, or owed.

A step that is not computed need not pull its batch at once. The number of steps passed over is
remembered per iterator and pulled when training goes on; an iterator that is replaced at the end of its
epoch is then never pulled at all. What keeps state across epochs is pulled step by step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from perdure import keras_internals
from perdure.board import Board
from perdure.data import Source
from perdure.fitting.inexact import say_inexact, traits_of
from perdure.fitting.inputs import inputs_of
from perdure.keras_internals import KeyedArrayAdapter
from perdure.lineage.digest import digest_of

FINGERPRINT_ELEMENTS = 4096


class Feed:
    """Batches for one of the model's functions, from the iterators that Keras makes."""

    def __init__(self, epoch_iterator: Any, fit: int) -> None:
        adapter = epoch_iterator.data_adapter
        self._epoch_iterator = epoch_iterator
        self._source = adapter if isinstance(adapter, Source) else None
        self._keyed = adapter if isinstance(adapter, KeyedArrayAdapter) else None
        self.is_python = type(adapter).__name__ not in (
            "ArrayDataAdapter", "TFDatasetAdapter", "KeyedArrayAdapter"
        ) and self._source is None  # fmt: skip
        self._is_distributed = keras_internals.is_distributed(epoch_iterator)
        self._traits = traits_of(adapter)
        self._pulls_all = self.is_python or self._traits.keeps_state_across_epochs
        if self._keyed is not None:
            self._keyed.begin_fit(fit)
        self._iterator: Any = None
        self._source_iterator: Iterator[Any] | None = None
        self._epoch = self._drawn_in = 0
        self._owed = self._owed_before_epoch = 0
        self._first: Any = None
        self._relay: Relay | None = None
        self._see_size()

    def _see_size(self) -> None:
        """How many batches an epoch has. Asked once per epoch: Keras runs a TensorFlow op for it."""
        iterator = self._epoch_iterator
        batches = iterator.data_adapter.num_batches
        self._batches = None if self.is_persistent or batches is None else int(batches)
        self.ends_unannounced = batches is None and not self.is_persistent
        """Whether only pulling tells where an epoch ends. What Keras learns in the first epoch is one
        too many, so it is so in every epoch.
        """

    def close(self) -> None:
        """Let go of iterators that run Python code, which TensorFlow would complain of at the exit."""
        self._relay = self._iterator = self._source_iterator = None

    def say_inexact(self, board: Board) -> None:
        """Say what in this data cannot be had again."""
        ahead = self.is_python and self._is_distributed
        say_inexact(board, self._traits, self._epoch_iterator.data_adapter, reads_ahead=ahead)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What the data is made from, as far as it can be seen."""
        return inputs_of(self._traits)

    def belongs_to(self, epoch_iterator: Any) -> bool:
        """Whether this feed was made for `epoch_iterator`."""
        return epoch_iterator is self._epoch_iterator

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch` begins: sources and keyed orders follow it."""
        self._epoch = epoch
        self._see_size()
        self._owed_before_epoch = self._owed
        self._first = self._source_iterator = None
        if self._keyed is not None:
            self._keyed.begin_epoch(epoch)

    @property
    def is_persistent(self) -> bool:
        """Whether Keras keeps one iterator over epochs."""
        return bool(self._epoch_iterator.steps_per_epoch)

    def _see(self, iterator: Any) -> None:
        if iterator is not self._iterator:
            self._iterator, self._drawn_in = iterator, self._epoch
            self._owed = self._owed_before_epoch = 0

    def step_size(self, batch: int, steps_per_execution: int) -> int:
        """How many batches the next call of the train function takes: fewer at the end of an epoch."""
        if self._batches is None:
            return steps_per_execution
        return max(1, min(steps_per_execution, self._batches - batch))

    def skip(self, iterator: Any, batch: int, steps_per_execution: int) -> int:
        """Pass over one call of the train function from batch `batch` on; how many batches it is.

        Raises:
            StopIteration: the epoch has no more batches.
        """
        self._see(iterator)
        count = self.step_size(batch, steps_per_execution)
        if self.ends_unannounced:
            batches = pull(self._walking(), count)
            self._note_first(batches[0])
            return len(batches)
        if self._source is None:
            self._owed += count
            if self._pulls_all:
                self.settle()
        return count

    def _walking(self) -> Any:
        if self._source is None:
            return self._iterator
        if self._source_iterator is None:
            self._source_iterator = self._from_source(self._source, 0)
        return self._source_iterator

    def _from_source(self, source: Source, batch: int) -> Iterator[Any]:
        dataset = source.dataset(self._epoch, batch)
        if self._is_distributed:
            dataset = keras_internals.distributed(self._epoch_iterator, dataset)
        return iter(dataset)

    def settle(self, on_pull: Callable[[], None] = lambda: None) -> None:
        """Pull what is owed, in the order in which the dead run's iterator drew it."""
        if not self._owed:
            return
        if self._keyed is not None:
            self._keyed.begin_epoch(self._drawn_in)
        while self._owed:
            batch = next(self._iterator)
            if self._owed_before_epoch == 0:
                self._note_first(batch)
            self._owed -= 1
            self._owed_before_epoch = max(0, self._owed_before_epoch - 1)
            on_pull()
        if self._keyed is not None:
            self._keyed.begin_epoch(self._epoch)

    def _note_first(self, batch: Any) -> None:
        if self._first is None:
            self._first = batch

    def probe(self) -> dict[str, Any]:
        """What tells this epoch's data from other data: what it is made from, and its first batch."""
        return {"epoch": self._epoch, "digest": self.first_of_epoch(), "inputs": self.inputs}

    def first_of_epoch(self) -> str | None:
        """The fingerprint of the epoch's first batch, None if it was not pulled here."""
        if self._source is not None and self._first is None:
            self._first = next(self._from_source(self._source, 0), None)
        return None if self._first is None else fingerprint(self._first)

    def take(self, iterator: Any, batch: int, steps_per_execution: int) -> tuple[Any, int]:
        """Pull the batches of the next step; an iterator that yields them, and how many there were.

        Keras computes a step and its data in one go. A step that finds no data has by then advanced
        what does not depend on data, such as seeds and the count of iterations, or not: it is a race.

        Raises:
            StopIteration: the epoch has no more batches.
        """
        own = self.live(iterator, batch)
        batches = pull(own, self.step_size(batch, steps_per_execution))
        if batch == 0:
            self._note_first(batches[0])
        if self._is_distributed:
            return iter(batches), len(batches)
        if len(batches) < steps_per_execution:
            return Relay(own.element_spec, ends=True).passing(batches), len(batches)
        self._relay = self._relay or Relay(own.element_spec, ends=False)
        return self._relay.passing(batches), len(batches)

    def live(self, iterator: Any, batch: int) -> Any:
        """The iterator whose next batch is batch number `batch` (from 0) of this epoch."""
        self._see(iterator)
        if self._source is None:
            self.settle()
            return iterator
        if self._source_iterator is None or self._owed:
            self._source_iterator = self._from_source(self._source, batch)
        return self._source_iterator

    def restart(self) -> None:
        """Forget the walk's own iterator of a source: the next step seeks."""
        self._source_iterator = None


def pull(iterator: Any, count: int) -> list[Any]:
    """Up to `count` batches, eagerly.

    Raises:
        StopIteration: there is none.
    """
    batches = [batch for _, batch in zip(range(count), iterator, strict=False)]
    if not batches:
        raise StopIteration
    return batches


class Relay:
    """An iterator over batches that were pulled before, with the element spec of the one they came
    from, so that the traced step is the same.
    """

    def __init__(self, spec: Any, *, ends: bool) -> None:
        self._pending: deque[Any] = deque()
        self._ends = ends
        dataset = tf.data.Dataset.from_generator(self._generate, output_signature=spec)
        options = tf.data.Options()  # nothing may pull ahead of the step
        options.autotune.enabled = False
        options.experimental_optimization.apply_default_optimizations = False
        self._iterator = iter(dataset.with_options(options))

    def _generate(self) -> Iterator[Any]:
        while self._pending or not self._ends:
            yield self._pending.popleft()

    def passing(self, batches: list[Any]) -> Any:
        """The iterator, which now yields `batches`."""
        self._pending.extend(batches)
        return self._iterator


def fingerprint(batch: Any) -> str:
    """A digest of a sample of the values in `batch`, with shapes and types."""
    parts = []
    for tensor in tf.nest.flatten(batch, expand_composites=True):
        array = np.asarray(tensor)
        flat = array.reshape(-1)
        sample = flat[:: max(1, flat.size // FINGERPRINT_ELEMENTS)]
        parts += [array.dtype.str, str(array.shape), _content(sample)]
    return digest_of(parts)


def _content(sample: Any) -> str:
    """Of strings their values; the bytes of other objects are addresses, which differ in each process."""
    if sample.dtype != object:
        return str(sample.tobytes().hex())
    return repr([item for item in sample.tolist() if isinstance(item, str | bytes)])
