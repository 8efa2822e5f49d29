"""One hand-written loop: it comes back to where the dead run was, then trains and saves.

The cursor is "after batch b of epoch e", as in `fit`. Between two batches, when the script asks for the
next, the state is complete: there it is saved, requests are obeyed, and the process leaves.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from perdure.attempt import Attempt
from perdure.contract.status import Activity
from perdure.fitting.feed import fingerprint
from perdure.fitting.logs import Best, numbers, values
from perdure.fitting.obeying import Obeying
from perdure.fitting.position import Position
from perdure.fitting.saving import Saves
from perdure.fitting.walk import data_ended, say_changed
from perdure.lineage.lineage import Point
from perdure.lineage.records import RecordKind
from perdure.lineage.writer import Snapshot
from perdure.looping.control import LoopControl
from perdure.looping.data import END, Batches
from perdure.looping.report import Report
from perdure.looping.state import LoopState, loop_state
from perdure.looping.trackables import Trackables
from perdure.signals import NothingUnsaved


class Run:
    """The state of one loop. `perdure.loop` calls its methods in order."""

    def __init__(self, attempt: Attempt, trackables: Trackables) -> None:
        self._attempt = attempt
        self._board = attempt.board
        self.at = Position(attempt.next_fit(), attempt.steps)
        self.logs: dict[str, Any] = {}
        self._state = LoopState(trackables, attempt.board)
        self._batches = Batches()
        self._control = LoopControl(trackables.optimizers)
        self._saves = Saves(attempt, self._capture, self.at)
        self._obeying = Obeying(attempt, self._control, [*trackables.objects.values()], self._saves)
        self._best = Best(attempt.settings.keep, attempt.board)
        self._probe: dict[str, Any] = {}
        self._report = Report(attempt, self.at, trackables.optimizers)
        self._is_prepared = self._is_stepped = self._is_held = False
        self._is_left = False
        """Whether the script has left the epoch before its end."""
        self._steps: int | None = None
        self._point = attempt.point_for(self.at.fit)
        self._begin()

    def _begin(self) -> None:
        self._board.follow(self.at)
        self._attempt.signals.unsaved = self._saves
        if self._point is None:
            self._go_live({})
        else:
            checkpoint = self._point.checkpoint
            loop_state(self._point)
            self._board.set(resumed_from=checkpoint.step, steps_to_replay=checkpoint.cursor.batch)
            self._board.enter(Activity.REPLAYING)

    def _go_live(self, saved: dict[str, Any]) -> None:
        self._saves.go_live(self.at.progress())
        self._obeying.go_live(saved)
        self._board.enter(Activity.TRAINING)

    @property
    def history(self) -> dict[str, list[Any]]:
        """The values of each epoch."""
        return self._state.history

    @property
    def is_over(self) -> bool:
        """Whether this epoch is the last one, whatever the script says."""
        return self._control.is_finishing or self._has_ended_before

    @property
    def _has_ended_before(self) -> bool:
        return self._point is not None and self._point.is_final

    @property
    def epoch_is_closed(self) -> bool:
        """Whether the epoch has no further batches."""
        return self._is_held or self._point is not None

    # -- in the order in which a loop calls them ---------------------------------------------------

    def first_epoch(self, count: int) -> int:
        """The epoch to begin with, of `count`. A loop that has ended has none left, or takes one step
        in its last epoch where variables are made by that.
        """
        if self._point is None:
            return 0
        cursor = self._point.checkpoint.cursor
        if self._point.is_final and self._state.waits_for(self._point) is None:
            return count
        if cursor.epoch >= count:
            raise data_ended(self._point, f"after {count} epochs")
        return cursor.epoch

    def begin_epoch(self, epoch: int, count: int) -> None:
        """Epoch `epoch` of `count` begins."""
        self.at.begin_epoch(epoch)
        self._report.epochs_left = count - epoch
        self._is_held = self._is_left = False

    def batches(self, data: Any, steps: int | None) -> Generator[Any, None, None]:
        """The epoch's batches that are not trained on yet."""
        self._steps = steps
        with self._attempt.exits:
            if self._point is not None:
                yield from self._come_back(data, self._point)
            else:
                self._begin_data(data)
            if self._point is None:
                yield from self._go_on()

    def _go_on(self) -> Iterator[Any]:
        try:
            while (batch := self._next()) is not END:
                self._is_stepped = False
                yield batch
        except GeneratorExit:
            self._is_left = self._is_stepped
            self._close_epoch()
            raise

    def stepped(self, logs: dict[str, Any]) -> None:
        """The batch that was given out last is trained on."""
        if self._point is not None:  # a step of a resumed process that makes its variables
            return
        self.logs = logs
        self.at.train(1)
        if not self._is_prepared:
            self._prepare()
        self._is_stepped = True

    def _prepare(self) -> None:
        with self._attempt.exits:
            self._state.prepare()
        self._is_prepared = True
        self._board.enter(Activity.TRAINING)

    def log(self, logs: dict[str, Any]) -> None:
        """Further values of the epoch."""
        self.logs = {**self.logs, **logs}
        if self._is_held:
            self._leave_if_told()

    def end_epoch(self) -> None:
        """All that belongs to the epoch is done."""
        if self._point is not None:
            self._refuse_unless_ended(self._point)
            return
        logs = values(self.logs)
        self._state.end_epoch(self.at.epoch, logs)
        self._board.logged(numbers(logs))
        self._obey()
        value, is_best = self._best.judge(logs)
        self._saves.end_of_epoch(self.at.progress(epoch_is_done=True), value, is_best=is_best)
        self._board.enter(Activity.TRAINING)

    def _refuse_unless_ended(self, point: Point) -> None:
        if not point.is_final:
            raise data_ended(point, f"in epoch {self.at.epoch} after {self._batches.count} batches")

    def end(self) -> None:
        """The loop is over."""
        if self._point is None:
            self._best.refuse_if_missing(self.history)
            self._saves.final()
            self._obeying.answer()
        else:
            self._refuse_unless_ended(self._point)
            self._obeying.go_live(self._restore(self._point))
            self.at.step = self._point.checkpoint.step
        self._attempt.steps = self.at.step
        self.leave()

    def leave(self) -> None:
        """The loop is left: from here on nothing of it can be saved."""
        self._attempt.signals.unsaved = NothingUnsaved()
        self._board.enter(Activity.SCRIPT)

    # -- what they do ----------------------------------------------------------------------------

    def _begin_data(self, data: Any) -> None:
        self._batches.begin(data, self.at.epoch)
        self._report.data(self._batches.way, self._steps)
        if not self._is_prepared:
            self._board.enter(Activity.COMPILING)

    def _come_back(self, data: Any, point: Point) -> Iterator[Any]:
        """Pass over what was trained on, and put the state back. Where variables are missing, the epoch's
        first batch is given out before, so that a step makes them; what it does is overwritten.
        """
        saved, cursor = loop_state(point), point.checkpoint.cursor
        first: Any = END
        for batch in self._batches.pass_over(
            data, cursor.epoch, cursor.batch, saved["data"], self._leave_if_told
        ):
            if first is END:
                first = batch
                if self._state.waits_for(point) is not None:
                    with self._board.during(Activity.COMPILING):
                        yield batch
            if point.is_final:
                return
            self.at.replay(1)
        self._arrive(point, first)

    def _arrive(self, point: Point, first: Any) -> None:
        """Go on from the cursor.

        Raises:
            Refused: the data has become less.
        """
        if self._batches.count < point.checkpoint.cursor.batch:
            raise data_ended(point, f"in epoch {self.at.epoch} after {self._batches.count} batches")
        saved = self._restore(point)
        digest = None if first is END else fingerprint(first)
        self._report.changes(saved["probe"], self._batches.way)
        if saved["probe"].get("digest") != digest:
            say_changed(self._board, self.at.epoch)
        self._probe, self.logs = saved["probe"], saved["logs"]
        self._control.is_finishing, self._is_left = saved["is_finishing"], saved["is_left"]
        self._best.restore(saved["best"])
        self.at.batch, self.at.step = point.checkpoint.cursor.batch, point.checkpoint.step
        self._point, self._is_stepped = None, True
        self._go_live(saved)
        self._report.data(self._batches.way, self._steps)
        self._board.enter(Activity.COMPILING)

    def _restore(self, point: Point) -> dict[str, Any]:
        with self._board.during(Activity.RESTORING):
            self._state.restore(point)
        self._attempt.writer.resume_from(point.number, point.checkpoint)
        return loop_state(point)

    def _next(self) -> Any:
        """The next batch, `END` where the epoch is over; all of the step before is done.

        Raises:
            ValueError: the epoch has no batch at all.
        """
        self._between_steps()
        is_last = self._is_left or self._control.is_finishing or self.at.batch == self._steps
        batch = END if is_last else self._batches.next()
        if batch is not END and self.at.batch == 0:
            self._probe = {"digest": fingerprint(batch), "inputs": self._batches.way.inputs}
        if batch is END and self.at.batch == 0:
            raise ValueError(
                f"loop.batches: expected at least one batch in epoch {self.at.epoch}. Received: none. An "
                f"iterator goes on where the epoch before ended: give the loop what it is made from."
            )
        if batch is END:
            self._close_epoch()
        return batch

    def _between_steps(self) -> None:
        if self.at.batch == 0:
            self._leave_if_told()
            self._saves.release()
            return
        at = self.at.progress()
        self._report.logs(at.seconds, self.logs)
        self._obey()
        self._saves.between_steps(at)

    def _close_epoch(self) -> None:
        """The epoch's steps are over: their state is held while what follows changes it."""
        if self._is_stepped and not self._is_held:
            self._is_held = True
            if self._batches.was_left() and not self._control.is_finishing:
                self._report.left_early()
            self._saves.hold()
            self._board.enter(Activity.VALIDATING)

    def _obey(self) -> None:
        if self._attempt.control.is_due:
            self._obeying.obey(self.at.cursor, self.at.step)

    def _leave_if_told(self) -> None:
        if self._attempt.signals.is_set:
            self._saves.leave()

    def _capture(self, kind: RecordKind) -> Snapshot:
        loop = {
            "logs": values(self.logs),
            "is_finishing": self._control.is_finishing,
            "is_left": self._is_left,
            "probe": self._probe,
            "best": self._best.to_state(),
            "requests": self._attempt.control.state(),
            "data": self._batches.to_state(),
        }
        return self._state.capture(kind, self.at.cursor, self.at.step, loop)
