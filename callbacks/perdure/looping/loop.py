"""Training loops of one's own: `with perdure.loop(model=model, optimizer=optimizer) as loop:`.

with perdure.loop(model=model, optimizer=optimizer, accuracy=accuracy) as loop:
    for epoch in loop.epochs(20):
        for x, y in loop.batches(train):
            loss = train_step(x, y)
            loop.step(loss=loss, accuracy=accuracy.result())
        accuracy.reset_state()
        loop.log(val_loss=validate())
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf

from perdure import keras_internals
from perdure.attempt import Attempt, begun, current
from perdure.board import say
from perdure.errors import Refused
from perdure.fingerprints import Fingerprints
from perdure.fitting.from_manifest import callbacks_from
from perdure.looping.run import Run
from perdure.looping.trackables import Trackables


def loop(**trackables: Any) -> Loop:
    """A hand-written training loop that is saved and resumed as `fit` is, after any batch.

    Args:
        **trackables: by name, all whose state the training changes: Keras models, layers, optimizers, metrics,
            variables and seed generators; `tf.Variable`, `tf.Module`, `tf.random.Generator`; generators of
            `numpy.random` and `random`; dicts and lists of plain data; objects with `get_state()` and
            `set_state(state)`; or lists, tuples and dicts of these. The global random streams are saved
            in any case.

    Returns:
        A context: its `with` block is one training, as one call of `fit` is.

    Raises:
        TypeError: one of them is nothing whose state can be saved.
        perdure.errors.TrainerExit: a `SystemExit` with the code of the contract, if this run can never
            work (78) or its store does not answer (69).
    """
    attempt = current()
    with attempt.exits:
        keras_internals.check_versions()
        found = Trackables(trackables)
        _say_unused(callbacks_from(attempt.settings.callbacks))
    return Loop(begun(), found)


def _say_unused(callbacks: list[Any]) -> None:
    """A manifest's callbacks need the hooks of `fit`."""
    names = [type(c).__name__ for c in callbacks if not isinstance(c, Fingerprints)]
    if names:
        say(f"spec.callbacks are for fit: {', '.join(names)} are not called by perdure.loop")


class Loop:
    """One training by a hand-written loop, while its `with` block runs."""

    def __init__(self, attempt: Attempt, trackables: Trackables) -> None:
        self._attempt = attempt
        self._trackables = trackables
        self._run: Run | None = None
        self._is_over = False
        self._has_epochs = self._has_batches = False
        self._epoch_is_open = self._batch_is_out = False

    def __enter__(self) -> Loop:
        """The loop begins, or goes on where a process before this one was."""
        if self._run is not None:
            raise _misused("a new perdure.loop(...) for each `with`", "one that was used before")
        with self._attempt.exits:
            _refuse_strategy()
            self._refuse_inside_another()
            self._run = Run(self._attempt, self._trackables)
        self._attempt.is_in_loop = True
        return self

    def _refuse_inside_another(self) -> None:
        if self._attempt.is_in_loop or keras_internals.fits_under_way():
            raise _misused(
                "one training at a time", "a loop inside of another loop, or of a fit's callback"
            )

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The loop is over; unless an error ends it, its end is saved."""
        run = self._running()
        self._is_over = True
        self._attempt.is_in_loop = False
        if error is not None:
            run.leave()
            return
        with self._attempt.exits:
            self._end(run)

    def _end(self, run: Run) -> None:
        try:
            if not self._has_epochs:
                raise _misused("a loop over loop.epochs(count)", "none in the `with` block")
            self._end_epoch(run)
            run.end()
        except BaseException:
            run.leave()
            raise

    def epochs(self, count: int) -> Iterator[int]:
        """The numbers of the epochs that are left of `count`, from 0.

        The first one of a resumed process is the one that it had come to: its code before `batches`
        runs again, and what that changes is put back to what it was after the last batch.
        """
        run = self._running()
        if self._has_epochs:
            raise _misused("one loop over loop.epochs in a `with` block", "a second one")
        self._has_epochs = True
        return self._each_epoch(run, count)

    def _each_epoch(self, run: Run, count: int) -> Iterator[int]:
        with self._attempt.exits:
            for epoch in range(run.first_epoch(count), count):
                self._epoch_is_open, self._has_batches = True, False
                run.begin_epoch(epoch, count)
                yield epoch
                self._end_epoch(run)
                if run.is_over:
                    return

    def _end_epoch(self, run: Run) -> None:
        """Also of an epoch that `break` has left."""
        if self._epoch_is_open:
            if not self._has_batches:
                raise _misused("a loop over loop.batches(data) in each epoch", "an epoch without")
            self._expect_step()
            if not run.epoch_is_closed:
                raise _misused(
                    "`for batch in loop.batches(data):`, whose batches end when it does",
                    "an iterator that is kept",
                )
            self._epoch_is_open = False
            run.end_epoch()

    def batches(self, data: Any, *, steps: int | None = None) -> Iterator[Any]:
        """The batches of this epoch's `data` that are not trained on yet.

        Args:
            data: a `tf.data.Dataset`, something made by `perdure.data`, a `keras.utils.PyDataset`, or an
                iterable of batches: the same one in every epoch, or another one in each.
            steps: how many batches make an epoch, for data without an end; all of them by default.

        Raises:
            TypeError: `data` is no iterable of batches.
            ValueError: it cannot be had again by a resumed process, or the epoch has no batch.
            perdure.errors.TrainerExit: the process was told to go, or its state is of another program.
        """
        run = self._running()
        if not self._epoch_is_open:
            raise _misused("loop.batches in an epoch", "outside of loop.epochs")
        if self._has_batches:
            raise _misused("one loop over loop.batches in an epoch", "a second one")
        if steps is not None and steps < 1:
            raise ValueError(f"loop.batches: expected steps of at least 1. Received: {steps}.")
        self._has_batches = True
        return self._each_batch(run.batches(data, steps))

    def _each_batch(self, batches: Generator[Any, None, None]) -> Iterator[Any]:
        with closing(batches):  # also where `break` leaves the epoch
            for batch in batches:
                self._batch_is_out = True
                yield batch
                self._expect_step()

    def _expect_step(self) -> None:
        if self._batch_is_out:
            raise _misused("loop.step(...) once for each batch", "a batch without")

    def step(self, **logs: Any) -> None:
        """The batch is trained on; `logs` are numbers or tensors, by name. What of the loop's body comes
        after it belongs to the step too: it is saved, and left, when the next batch is asked for.
        """
        if not self._batch_is_out:
            raise _misused("loop.step once for each batch", "a call without a new batch")
        self._running().stepped(_checked(logs))
        self._batch_is_out = False

    def log(self, **logs: Any) -> None:
        """Further values of this epoch, such as those of validation. An epoch's values in `history` are those
        that were told last.
        """
        run = self._running()
        if not self._has_batches:
            raise _misused("loop.log after an epoch's batches", "a call before them")
        with self._attempt.exits:
            run.log(_checked(logs))

    @property
    def epoch(self) -> int:
        """The number of this epoch, from 0."""
        return self._running().at.epoch

    @property
    def batch(self) -> int:
        """How many batches of this epoch are trained on, also by processes before this one."""
        return self._running().at.batch

    @property
    def logs(self) -> dict[str, Any]:
        """The newest values that were told, also to a process before this one."""
        return dict(self._running().logs)

    @property
    def history(self) -> dict[str, list[Any]]:
        """Of each name the values of all epochs that are over."""
        if self._run is None:
            raise _misused("loop.history after `with perdure.loop(...) as loop:`", "before")
        return self._run.history

    def _running(self) -> Run:
        if self._run is None or self._is_over:
            raise _misused("use inside of `with perdure.loop(...) as loop:`", "outside of it")
        return self._run


def _checked(logs: dict[str, Any]) -> dict[str, Any]:
    """Values that do not change later, though they are read later."""
    for name, value in logs.items():
        if not isinstance(value, int | float | np.generic | np.ndarray | tf.Tensor):
            raise TypeError(
                f"perdure.loop: expected numbers and tensors as logs. Received: {name}, a "
                f"{type(value).__name__}; of a metric give result(), of a variable its value."
            )
    return logs


def _refuse_strategy() -> None:
    if tf.distribute.has_strategy():
        raise Refused(
            f"distribution strategy: expected none around perdure.loop. Received: "
            f"{type(tf.distribute.get_strategy()).__name__}. Train outside of its scope."
        )


def _misused(expected: str, received: str) -> RuntimeError:
    return RuntimeError(f"perdure.loop: expected {expected}. Received: {received}.")
