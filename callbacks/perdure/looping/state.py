"""The whole state of a loop: taken as a snapshot, and put back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from perdure.board import Board
from perdure.errors import Refused
from perdure.fitting.state import (
    another_model,
    history_entries,
    ordered_history,
    other_way,
    say_copied,
    state_arrays,
    state_tensors,
)
from perdure.lineage.lineage import Point
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.table import TensorEntry
from perdure.lineage.writer import Snapshot
from perdure.looping import objects
from perdure.looping.trackables import Trackables
from perdure.state import streams
from perdure.state.architecture import Architecture
from perdure.state.codec import Array, decode, encode
from perdure.state.plain import NotEncodable
from perdure.state.reader import VariableReader
from perdure.state.variables import MODEL_GROUPS, Named, assign_streams, difference, values_in


class LoopState:
    """Takes and restores the state of one loop: of what it was given, its History, the random streams."""

    def __init__(self, trackables: Trackables, board: Board) -> None:
        self._trackables = trackables
        self._board = board
        self._reader = VariableReader(Trackables.listed)
        self._architecture = _architecture_of(trackables.models)
        self._layout: dict[str, Any] = {}
        self._layout_of = -1
        self.history: dict[str, list[Any]] = {}
        self.epochs: list[int] = []

    def prepare(self) -> None:
        """Make what is the same in all saves, at a time when the training waits anyway.

        Raises:
            Refused: an optimizer trains what the loop was not given.
        """
        self._trackables.trained()
        if self._architecture is not None:
            self._architecture.capture()
        self._reader.prepare(self._trackables)

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """Enter the values of an epoch into the History."""
        self.epochs.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def capture(
        self, kind: RecordKind, cursor: Cursor, step: int, extra: dict[str, Any]
    ) -> Snapshot:
        """A snapshot; tensors by reference, everything else by value. `extra` goes in beside it.

        Raises:
            OutOfMemory: there is no memory to take it.
            TypeError: an object has come to hold something that is no data.
        """
        began = time.perf_counter()
        tensors = self._reader.read(self._trackables)
        if self._reader.went_through_host:
            say_copied(self._board, time.perf_counter() - began)
        arrays: list[Array] = []
        self._lay_out()
        state = {**self._document(arrays), "fit": encode(extra, arrays)}
        held = deque([*tensors, *state_tensors(arrays)])
        blocked = time.perf_counter() - began
        return Snapshot(kind, cursor, step, held, state, blocked_seconds=blocked)

    def _lay_out(self) -> None:
        """Which of the saved variables belong to whom; listing them takes longer than reading them."""
        if self._layout_of != self._reader.traces:
            self._layout_of = self._reader.traces
            named = self._trackables.by_name()
            self._layout = {
                "counts": [[name, len(values_in(entries))] for name, entries in named.items()],
                "trained": self._trackables.trained(),
            }

    def _document(self, arrays: list[Array]) -> dict[str, Any]:
        missing = {"missing": "a loop of several models, or of none"}
        architecture = missing if self._architecture is None else self._architecture.capture()
        return {
            "loop": {
                **self._layout,
                "objects": {
                    name: _encoded(name, value, arrays)
                    for name, value in self._trackables.objects.items()
                },
            },
            "callbacks": [],
            "files": {},
            **history_entries(self.history, self.epochs, arrays),
            "host": encode(streams.capture_host(), arrays),
            "eager": encode(streams.capture_eager(), arrays),
            "architecture": encode(architecture, arrays),
        }

    def waits_for(self, point: Point) -> str | None:
        """The first name whose variables are not there yet, after making those of optimizers where all
        others are there; None where all are.

        Raises:
            Refused: the loop was given other things than in the checkpoint.
        """
        document = document_of(point)
        saved = [name for name, _ in document["counts"]]
        _check_names(saved, [*self._trackables.by_name()], point)
        _check_names(sorted(document["objects"]), sorted(self._trackables.objects), point)
        missing = self._missing(point)
        if all(groups == {"optimizer"} for groups in missing.values()):
            if len(document["trained"]) == len(self._trackables.optimizers):
                self._trackables.build_optimizers(document["trained"])
            missing = self._missing(point)
        return next(iter(missing), None)

    def _missing(self, point: Point) -> dict[str, set[str]]:
        """Names that have fewer variables than the checkpoint, with the groups of what is missing.

        Raises:
            Refused: what is there is not what was saved.
        """
        missing: dict[str, set[str]] = {}
        for name, present, saved in self._pairs(point):
            lacks = len(present) < len(saved)
            problem = None if lacks else difference(present, saved)
            if problem is not None:
                raise another_model(point, problem)
            if lacks:
                groups = {entry.group for entry in saved} - {"streams"}
                complete = {
                    group
                    for group in groups
                    if sum(entry.group == group for entry in present)
                    == sum(entry.group == group for entry in saved)
                }
                missing[name] = groups - complete
        return missing

    def _pairs(self, point: Point) -> Iterator[tuple[str, list[Named], list[TensorEntry]]]:
        """Of each name what is there and what was saved."""
        saved = iter([entry for entry in point.checkpoint.tensors if entry.group in MODEL_GROUPS])
        present = self._trackables.by_name()
        for name, count in document_of(point)["counts"]:
            yield name, values_in(present[name]), [next(saved) for _ in range(count)]

    def restore(self, point: Point) -> None:
        """Put everything back.

        Raises:
            Refused: the checkpoint is of other variables. Nothing was changed.
        """
        name = self.waits_for(point)
        if name is not None:
            raise _not_there(point, name)
        entries = point.checkpoint.tensors
        values = [
            array
            for entry, array in zip(entries, point.arrays, strict=True)
            if entry.group in MODEL_GROUPS
        ]
        present = [named for _, group, _ in self._pairs(point) for named in group]
        for named, value in zip(present, values, strict=True):
            named.variable.assign(value)
        assign_streams(entries, point.arrays)
        self._restore_rest(point)
        self.prepare()

    def _restore_rest(self, point: Point) -> None:
        state, arrays = point.checkpoint.state, state_arrays(point)
        for name, value in self._trackables.objects.items():
            objects.put_back(value, decode(state["loop"]["objects"][name], arrays))
        self.history = ordered_history(state, arrays)
        self.epochs = decode(state["history_epochs"], arrays)
        streams.restore_host(decode(state["host"], arrays))
        streams.restore_eager(decode(state["eager"], arrays))


def _architecture_of(models: Sequence[Any]) -> Architecture | None:
    """A file for serving is made from it, and holds one model."""
    return Architecture(models[0]) if len(models) == 1 else None


def _encoded(name: str, value: Any, arrays: list[Array]) -> Any:
    try:
        return encode(objects.state_of(value), arrays)
    except NotEncodable as error:
        raise TypeError(
            f"perdure.loop: expected plain data and arrays as the state of {name}. Received: {error}."
        ) from error


def document_of(point: Point) -> dict[str, Any]:
    """What a loop's checkpoint says of what it was given.

    Raises:
        Refused: the checkpoint is of a fit.
    """
    if "loop" not in point.checkpoint.state:
        raise other_way(point, "perdure.loop", "fit")
    document: dict[str, Any] = point.checkpoint.state["loop"]
    return document


def loop_state(point: Point) -> dict[str, Any]:
    """What `capture` was given as `extra`.

    Raises:
        Refused: the checkpoint is of a fit.
    """
    document_of(point)
    decoded: dict[str, Any] = decode(point.checkpoint.state["fit"], state_arrays(point))
    return decoded


def _check_names(saved: list[str], present: list[str], point: Point) -> None:
    if saved != present:
        raise Refused(
            f"perdure.loop: expected {', '.join(saved) or 'nothing more'}, in this order, as in checkpoint "
            f"{point.number}. Received: {', '.join(present) or 'nothing more'}. Give the loop what it was "
            f"given before, or use a new spec.run (PERDURE_JOB)."
        )


def _not_there(point: Point, name: str) -> Refused:
    return Refused(
        f"perdure.loop: expected the variables of {name} that checkpoint {point.number} has. Received: "
        f"fewer, after a first step too. Train with the model that this lineage was trained with, or use "
        f"a new spec.run (PERDURE_JOB); nothing was deleted."
    )
