"""The whole state of a `fit`: taken as a snapshot, and put back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from perdure.attempt import Attempt
from perdure.board import Board
from perdure.contract.status import Kind
from perdure.errors import Refused
from perdure.fitting.callback_states import CallbackStates
from perdure.fitting.inexact import say_inexact_step
from perdure.fitting.publishing import publish
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.lineage import Point
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.table import TensorEntry
from perdure.lineage.writer import Snapshot
from perdure.state import streams, variables
from perdure.state.architecture import Architecture
from perdure.state.codec import STATE_GROUP, Array, decode, encode
from perdure.state.files.contents import FILE_GROUP
from perdure.state.files.kinds import places_of
from perdure.state.files.managed import ManagedFiles
from perdure.state.held_models import HeldModels
from perdure.state.reader import VariableReader, same


class FitState:
    """Takes and restores the state of one fit of `model` with the user's `callbacks`."""

    def __init__(
        self, model: Any, callbacks: Sequence[Any], board: Board, files: ManagedFiles
    ) -> None:
        self._model = model
        self._callbacks = callbacks
        self._callback_states = CallbackStates(callbacks, board)
        self._board = board
        self.history = model.history
        """This fit's own: of a fit inside a hook, of the same model, Keras puts another into its place."""
        self._held = HeldModels(callbacks, model, board)
        self._reader = VariableReader(self._held.listed_with)
        self.files = files
        self._architecture = Architecture(model)

    def prepare(self) -> None:
        """Make what is the same in all saves, at a time when the training waits anyway."""
        self._architecture.capture()
        self._reader.prepare(self._model)
        stand_in = self._model.train_function
        say_inexact_step(self._board, getattr(stand_in, "original", stand_in))

    def capture(
        self, kind: RecordKind, cursor: Cursor, step: int, extra: dict[str, Any]
    ) -> Snapshot:
        """A snapshot; tensors by reference, everything else by value. `extra` goes in beside it.

        Raises:
            OutOfMemory: there is no memory to take it.
        """
        began = time.perf_counter()
        tensors = self._reader.read(self._model)
        if self._reader.went_through_host:
            say_copied(self._board, time.perf_counter() - began)
        arrays: list[Array] = []
        files = self.files.capture()
        state = {
            "callbacks": self._callback_states.capture(arrays, self._reader.reads),
            **history_entries(self.history.history, self.history.epoch, arrays),
            "inner_history": encode(self._inner_history(), arrays),
            "host": encode(streams.capture_host(), arrays),
            "eager": encode(streams.capture_eager(), arrays),
            "files": encode([captured.entry for captured in files], arrays),
            "fit": encode(extra, arrays),
            "architecture": encode(self._architecture.capture(), arrays),
        }
        held = state_tensors(arrays)
        blocked = time.perf_counter() - began
        return Snapshot(
            kind,
            cursor,
            step,
            deque([*tensors, *held, *(t for captured in files for t in captured.tensors)]),
            state,
            blocked_seconds=blocked,
            on_commit=partial(publish, files if self.files.is_remote else (), self._board),
        )

    def _inner_history(self) -> dict[str, Any] | None:
        """What the newest fit inside this one, of the same model, has left in the place of its History."""
        other = self._model.history
        if other is self.history:
            return None
        items = list(other.history.items())
        return {"history": items, "epoch": other.epoch, "params": other.params}

    def _last_history(self, saved: dict[str, Any] | None) -> Any:
        if saved is None:
            return self.history
        inner = keras.callbacks.History()
        inner.set_model(self._model)
        inner.set_params(saved["params"])
        inner.history, inner.epoch = dict(saved["history"]), saved["epoch"]
        return inner

    def resume_files(self, point: Point) -> None:
        """The callbacks are about to begin, and go on with the files that they have at `point`."""
        self.files.resume(decode(point.checkpoint.state["files"], ()))

    def restore(self, point: Point, *, with_host_streams: bool) -> None:
        """Put everything back.

        Raises:
            Refused: the checkpoint is of another model. Nothing was changed.
        """
        entries = point.checkpoint.tensors
        difference = variables.mismatch(self._model, entries)
        if difference is not None:
            raise another_model(point, difference)
        variables.assign(self._model, entries, point.arrays)
        state, arrays = point.checkpoint.state, state_arrays(point)
        self._held.restore(entries, point.arrays)
        self._callback_states.restore(state["callbacks"], arrays)
        self.history.history = ordered_history(state, arrays)
        self.history.epoch = decode(state["history_epochs"], arrays)
        self._model.history = self._last_history(decode(state.get("inner_history"), arrays))
        contents = {e.path: a for e, a in _pairs(point) if e.group == FILE_GROUP}
        self.files.restore(decode(state["files"], ()), contents)
        if with_host_streams:
            streams.restore_host(decode(state["host"], arrays))
            streams.restore_eager(decode(state["eager"], arrays))
        self.prepare()


def another_model(point: Point, difference: str) -> Refused:
    """The checkpoint's variables are not those that are there."""
    return Refused(
        f"checkpoint {point.number} is of another model: {difference}. Expected: the model that "
        f"this lineage was trained with. Use a new spec.run (PERDURE_JOB) for another model; "
        f"nothing was deleted."
    )


def say_copied(board: Board, seconds: float) -> None:
    """A snapshot was taken through the host."""
    board.notice_first(
        Kind.MEMORY_SHORT,
        f"the device has no room for a second copy of the variables, so each save copies them to "
        f"the host first; the first one kept training waiting for {seconds:.2f} s. A smaller batch "
        f"leaves room",
    )


def history_entries(
    history: dict[str, list[Any]], epochs: list[int], arrays: list[Array]
) -> dict[str, Any]:
    """A History as entries of a checkpoint's state: its values are a plain object, which has no order."""
    return {
        "history": encode(dict(sorted(history.items())), arrays),
        "history_order": list(history),
        "history_epochs": encode(epochs, arrays),
    }


def ordered_history(state: dict[str, Any], arrays: Sequence[Array]) -> dict[str, list[Any]]:
    """The values of a History, in the order that they had."""
    history = decode(state["history"], arrays)
    return {name: history[name] for name in state["history_order"]}


def state_tensors(arrays: Sequence[Array]) -> list[Tensor]:
    """The arrays of a checkpoint's JSON part as its tensors."""
    return [Tensor(STATE_GROUP, str(i), partial(same, array)) for i, array in enumerate(arrays)]


def state_of(attempt: Attempt, model: Any, callbacks: Sequence[Any]) -> FitState:
    """The state of a fit that the attempt saves."""
    say = partial(attempt.board.notice, Kind.CALLBACK_NOT_CAPTURED)
    stored = partial(attempt.writer.stored, FILE_GROUP)
    files = ManagedFiles(places_of(callbacks, say), stored)
    return FitState(model, callbacks, attempt.board, files)


def fit_state(point: Point) -> dict[str, Any]:
    """What `capture` was given as `extra`.

    Raises:
        Refused: the checkpoint is of a loop, not of a fit.
    """
    if "loop" in point.checkpoint.state:
        raise other_way(point, "fit", "perdure.loop")
    decoded: dict[str, Any] = decode(point.checkpoint.state["fit"], state_arrays(point))
    return decoded


def other_way(point: Point, here: str, there: str) -> Refused:
    """What trains now is not what trained in the lineage."""
    return Refused(
        f"checkpoint {point.number}: expected one of {here}, which the script trains with as number "
        f"{point.checkpoint.cursor.fit} of its fits and loops. Received: one of {there}. Train in the "
        f"order that this lineage was trained in, or use a new spec.run (PERDURE_JOB)."
    )


def state_arrays(point: Point) -> list[np.ndarray[Any, Any]]:
    """The arrays that the JSON part of a checkpoint refers to by number."""
    return [array for entry, array in _pairs(point) if entry.group == STATE_GROUP]


def _pairs(point: Point) -> Iterator[tuple[TensorEntry, Array]]:
    return zip(point.checkpoint.tensors, point.arrays, strict=True)
