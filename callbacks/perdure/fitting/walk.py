"""The way of a resumed fit to where the dead run was: steps that are passed over, not computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.attempt import Attempt
from perdure.board import Board
from perdure.contract.status import Activity, Kind
from perdure.errors import Refused
from perdure.fitting.feed import Feed
from perdure.fitting.inputs import changes
from perdure.fitting.position import Position
from perdure.fitting.state import FitState, fit_state
from perdure.lineage.lineage import Point
from perdure.state import streams

Compute = Callable[[Any], Any]


class Walk:
    """Walks to `point`, and puts its state back when it is there."""

    def __init__(
        self,
        attempt: Attempt,
        model: Any,
        point: Point,
        *,
        feed: Feed,
        state: FitState,
        at: Position,
    ) -> None:
        self._attempt = attempt
        self._model = model
        self._point = point
        self._feed = feed
        self._state = state
        self._at = at
        self._is_warm = False
        self.saved = fit_state(point)
        self._begin()

    def _begin(self) -> None:
        step = self._point.checkpoint.step
        self._attempt.board.set(resumed_from=step, steps_to_replay=step - self._at.step)
        self._attempt.board.enter(Activity.REPLAYING)
        if self._feed.is_python:
            streams.restore_host(self.saved["host_at_fit"])
        self._state.resume_files(self._point)
        self._compare_inputs()

    def _compare_inputs(self) -> None:
        before = self.saved["probe"].get("inputs")
        for sentence in changes(before, self._feed.inputs) if before else ():
            self._attempt.board.notice(Kind.DATA_CHANGED, sentence)

    @property
    def is_to_end(self) -> bool:
        """Whether the fit has ended in the dead run, so that nothing of it is trained."""
        return self._point.is_final

    @property
    def has_arrived(self) -> bool:
        """Whether no step is left to pass over."""
        return self._at.cursor >= self._point.checkpoint.cursor

    def begin_epoch_data(self) -> None:
        """The epoch's first batch is about to be drawn."""
        draws_anew = self._feed.is_python and not self._feed.is_persistent
        if draws_anew and self._at.epoch == self._point.checkpoint.cursor.epoch:
            streams.restore_host(self.saved["host_at_epoch"])

    def pass_over(self, iterator: Any, compute: Compute) -> None:
        """Pass over one call of the train function.

        Raises:
            StopIteration: the epoch has no more batches.
        """
        if self.has_arrived:
            raise StopIteration
        steps = self._model.steps_per_execution
        if self._is_warm:
            count = self._feed.skip(iterator, self._at.batch, steps)
        else:
            count = self._warm_up(iterator, compute, steps)
        self._at.replay(count)

    def _warm_up(self, iterator: Any, compute: Compute, steps: int) -> int:
        """Compute the first step, so that all variables exist; its effects are overwritten later."""
        with self._attempt.board.during(Activity.COMPILING):
            batches, count = self._feed.take(iterator, 0, steps)
            compute(batches)
        self._feed.restart()
        self._is_warm = True
        return count

    def restore(self, leave_if_told: Callable[[], None]) -> None:
        """The cursor is reached inside a fit: bring the data there too, and put the state back."""
        self._replay_data(leave_if_told)
        self._put_back(with_host_streams=not self._feed.is_python)

    def restore_end(self) -> None:
        """The fit is over: put the state of its end back."""
        if not self.is_to_end:
            raise data_ended(self._point, f"after {self._at.step} steps")
        self._put_back(with_host_streams=True)
        self._state.files.end(self._attempt.settings.store_deadline_seconds)
        self._at.step = self._point.checkpoint.step

    def _put_back(self, *, with_host_streams: bool) -> None:
        with self._attempt.board.during(Activity.RESTORING):
            self._state.restore(self._point, with_host_streams=with_host_streams)
        self._model.stop_training = self.saved["stop_training"]
        self._attempt.writer.resume_from(self._point.number, self._point.checkpoint)

    def _replay_data(self, leave_if_told: Callable[[], None]) -> None:
        try:
            self._feed.settle(leave_if_told)
        except StopIteration:
            raise data_ended(self._point, f"in epoch {self._at.epoch}") from None
        probe = self.saved["probe"]
        if probe["epoch"] == self._at.epoch and probe["digest"] != self._feed.first_of_epoch():
            say_changed(self._attempt.board, self._at.epoch)

    def close_epoch(self) -> None:
        """An epoch is over; it must have had the batches that the dead run had.

        Raises:
            Refused: the data has become less.
        """
        cursor = self._point.checkpoint.cursor
        if self._at.epoch == cursor.epoch and self._at.batch < cursor.batch:
            where = f"in epoch {self._at.epoch} after {self._at.batch} batches"
            raise data_ended(self._point, where)


def data_ended(point: Point, where: str) -> Refused:
    """The training data is less than it was."""
    cursor = point.checkpoint.cursor
    return Refused(
        f"the training data ended {where}. Expected: {cursor.batch} batches in epoch {cursor.epoch}, "
        f"which checkpoint {point.number} was trained on. Give the same data and epochs, or use "
        f"a new spec.run (PERDURE_JOB); nothing was deleted."
    )


def say_changed(board: Board, epoch: int) -> None:
    """The epoch's first batch is another one than in the dead run."""
    board.notice(
        Kind.DATA_CHANGED,
        f"the first batch of epoch {epoch} is not the one that this lineage was "
        f"trained on, so the result is not that of an undisturbed run; is everything that "
        f"makes the data seeded in the script?",
    )
