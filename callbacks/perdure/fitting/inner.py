"""A fit inside a fit, as a callback that trains runs it, or inside a hand-written loop: part of the step or the
epoch it is called in.

It has no cursor of its own and is never resumed in its middle: the code that called it runs again.
"""

from __future__ import annotations

from typing import Any

from perdure import keras_internals
from perdure.attempt import Attempt
from perdure.fitting.saving import Saves


def outer_saves(attempt: Attempt, *, own_fits: int) -> Saves | None:
    """The saves of the fit or the loop that calls the user's code, None where none does.

    Args:
        attempt: of this process.
        own_fits: how many calls of Keras' `fit` the asking one is itself: 1, or 0 for `evaluate`.
    """
    unsaved = attempt.signals.unsaved  # a fit that an error has ended left its own there
    if not isinstance(unsaved, Saves):
        return None
    is_inside = attempt.is_in_loop or keras_internals.fits_under_way() > own_fits
    return unsaved if is_inside else None


class InnerFit:
    """Lets everything through. Told to go, the process leaves from here only with a state that the outer
    fit holds: any other would have half of the hook in it.
    """

    gates_are_open = True
    has_ended_before = False
    step_is_due = False

    def __init__(self, attempt: Attempt, outer: Saves) -> None:
        self._attempt = attempt
        self._outer = outer

    def begin_epoch(self, epoch: int) -> None:
        """Counted by nobody."""

    def before_batch(self) -> None:
        """A train batch begins."""
        if self._attempt.signals.is_set and self._outer.is_holding:
            self._outer.leave()

    before_test_batch = before_batch

    def begin_test(self) -> None:
        """Its validation is its own."""

    def end_test(self) -> None:
        """Its validation is its own."""

    def end_epoch(self, logs: dict[str, Any]) -> None:
        """Its values are its own."""

    def end(self) -> None:
        """Nothing of it is saved by itself."""

    def leave_unended(self) -> None:
        """An error ended it, which the script caught."""
