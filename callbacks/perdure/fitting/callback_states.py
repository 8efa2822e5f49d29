"""The states of a fit's callbacks: taken, put back, and what of them is not kept is said."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from perdure.board import Board
from perdure.contract.status import Kind
from perdure.state import callbacks as callback_state
from perdure.state.callbacks import Saved, name_of
from perdure.state.codec import Array
from perdure.state.outside import Outside


class CallbackStates:
    """The states of `callbacks`, which are as the program has made them for the fit that begins."""

    def __init__(self, callbacks: Sequence[Any], board: Board) -> None:
        self._callbacks = callbacks
        self._board = board
        self._given = [callback_state.given(callback) for callback in callbacks]
        self._outside = [Outside(callback) for callback in callbacks]
        self._said: set[tuple[str, str]] = set()

    def capture(self, arrays: list[Array], saved: Saved) -> list[dict[str, Any]]:
        """The JSON form of each state; arrays in them are appended to `arrays`. Variables whose identities
        `saved` gives are saved elsewhere.
        """
        self._say_outside()
        return [
            {
                "name": name_of(callback),
                "given": given,
                **callback_state.capture(
                    callback, arrays, partial(self._say_skipped, callback), saved
                ),
            }
            for callback, given in zip(self._callbacks, self._given, strict=True)
        ]

    def restore(self, saved: list[dict[str, Any]], arrays: Sequence[Array]) -> None:
        """Put the states `saved` back into the callbacks that are there."""
        names = [entry["name"] for entry in saved]
        pairs = callback_state.pair(names, [name_of(callback) for callback in self._callbacks])
        for i, j in pairs:
            self._restore_one(j, saved[i], arrays)
        unmatched = set(range(len(names))) - {i for i, _ in pairs}
        if unmatched:
            self._board.notice(
                Kind.CALLBACK_NOT_CAPTURED,
                f"the checkpoint has state of callbacks that are not passed to fit any more: "
                f"{', '.join(names[i] for i in sorted(unmatched))}",
            )

    def _restore_one(self, place: int, saved: dict[str, Any], arrays: Sequence[Array]) -> None:
        callback = self._callbacks[place]
        changes = callback_state.changes(saved.get("given", {}), self._given[place])
        on_skip = partial(self._say_skipped, callback)
        callback_state.restore(callback, saved, arrays, on_skip, changes.keys())
        if changes:
            begins_anew = callback_state.begins_anew(callback, changes.keys())
            self._board.notice(
                Kind.PROGRAM_CHANGED,
                f"the program has changed callback {name_of(callback)}: {', '.join(changes.values())}; "
                + ("it begins anew" if begins_anew else "what it has counted goes on"),
            )

    def _say_skipped(self, callback: Any, attribute: str, what: str) -> None:
        """Keras' own callbacks make what is no data anew."""
        name = name_of(callback)
        if name.startswith("keras.") or (name, attribute) in self._said:
            return
        self._said.add((name, attribute))
        self._board.notice(
            Kind.CALLBACK_NOT_CAPTURED,
            f"attribute {attribute} of callback {name} {what}; give the callback get_state() and "
            f"set_state(state) if it changes during training",
        )

    def _say_outside(self) -> None:
        for callback, outside in zip(self._callbacks, self._outside, strict=True):
            for variable in outside.take_changed():
                self._board.notice(
                    Kind.CALLBACK_NOT_CAPTURED,
                    f"the functions of callback {name_of(callback)} use {variable}, a variable outside of "
                    f"it that has changed and is not saved: a resumed process has it as the script makes "
                    f"it. Keep it in an attribute of a callback of your own",
                )
