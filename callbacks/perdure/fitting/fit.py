"""One call of `fit`: it walks to where the dead run was, then trains and saves.

The cursor is "after train batch b of epoch e". Keras' own loop runs from its first epoch on, so that
iterators of training and validation are made in the dead run's order; until the cursor is reached its
train and test functions compute nothing and the user's callbacks are held back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from perdure import keras_internals
from perdure.attempt import Attempt
from perdure.contract.status import Activity, Kind
from perdure.fitting.feed import Feed
from perdure.fitting.logs import Best, learning_rate, numbers, values
from perdure.fitting.obeying import ModelControl, Obeying
from perdure.fitting.position import Position
from perdure.fitting.result import Outcome, restored_result
from perdure.fitting.saving import Saves
from perdure.fitting.state import state_of
from perdure.fitting.walk import Walk
from perdure.lineage.lineage import Point
from perdure.lineage.records import RecordKind
from perdure.lineage.writer import Snapshot
from perdure.signals import NothingUnsaved
from perdure.state import streams
from perdure.state.trained_layers import TrainedLayers

Compute = Callable[[Any], Any]
LOG_SECONDS = 1.0


class Fit:
    """The state of one fit: it walks, then it is live. The train loop calls its methods in order."""

    def __init__(
        self, attempt: Attempt, model: Any, callbacks: Sequence[Any], params: dict[str, Any]
    ) -> None:
        self._attempt = attempt
        self._board = attempt.board
        self._model = model
        self._at = Position(attempt.next_fit(), attempt.steps)
        self._state = state_of(attempt, model, callbacks)
        self._feed = Feed(keras_internals.latest_epoch_iterator(), self._at.fit)
        self._test_feed: Feed | None = None
        self._saves = Saves(attempt, self._capture, self._at)
        self._obeying = Obeying(attempt, ModelControl(model), callbacks, self._saves)
        self._best = Best(attempt.settings.keep, attempt.board)
        self._outcome = Outcome(model, callbacks, params, attempt.settings.keep)
        self._layers = TrainedLayers(model)
        self._is_compiled = self._is_validating = self._stops_in_batch = False
        self.step_is_due = False
        """Whether the train function is called for this fit: not by one inside a hook, of the same model."""
        self._test_is_warm, self._test_batch = True, 0
        self._logs: Any = {}
        self._logged_at = 0.0
        self._probe: dict[str, Any] = {}
        self._host_at_fit = self._host_at_epoch = streams.capture_host()
        self._walk = self._walk_to(attempt.point_for(self._at.fit))
        self.gates_are_open = self._walk is None
        self._begin(params)

    @property
    def has_ended_before(self) -> bool:
        """Whether the fit has ended in the dead run, so that nothing of it is trained."""
        return self._walk is not None and self._walk.is_to_end

    def _walk_to(self, point: Point | None) -> Walk | None:
        if point is None:
            return None
        return Walk(
            self._attempt, self._model, point, feed=self._feed, state=self._state, at=self._at
        )

    def _begin(self, params: dict[str, Any]) -> None:
        self._feed.say_inexact(self._board)
        self._params = params
        self._board.follow(self._at)
        self._attempt.signals.unsaved = self._saves
        if self._walk is None:
            self._state.files.begin(f"{self._attempt.lineage.identity} {self._at.fit}")
            self._saves.go_live(self._at.progress())
            self._obeying.go_live({})
            self._board.enter(Activity.TRAINING)
        else:
            self._layers.begin(self._walk.saved.get("trained_layers", {}))
            self._host_at_fit = self._walk.saved["host_at_fit"] or self._host_at_fit

    # -- the train loop's hooks, in the order in which Keras runs them -----------------------------

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch` begins."""
        if self._params:
            self._say_total(self._params.get("steps"), self._params.get("epochs"), epoch)
            self._params = {}
        self._at.begin_epoch(epoch)
        self._feed.begin_epoch(epoch)

    def before_batch(self) -> None:
        """A train batch begins; the one before it and its callbacks are done."""
        if self._walk is not None:
            self._leave_if_told()
        elif self._at.batch == 0:
            self._leave_if_told()
            self._saves.release()
        else:
            self._open_gates()
            at = self._at.progress()
            if at.seconds - self._logged_at >= LOG_SECONDS:
                self._log_values(at.seconds)
            self._saves.between_steps(at)

    def train(self, iterator: Any, compute: Compute) -> Any:
        """Stands in for the model's train function."""
        if not self.step_is_due:
            return compute(iterator)
        self.step_is_due = False
        if self._at.batch == 0:
            self._begin_epoch_data()
        if self._walk is None:
            logs = self._train(iterator, compute)
        else:
            self._walk.pass_over(iterator, compute)
            logs = self._arrive(self._walk) if self._walk.has_arrived else {}
        self._obey()
        return logs

    def function_is_new(self) -> None:
        """A callback has made the train function anew: its first call traces it."""
        self._is_compiled = False

    def begin_test(self) -> None:
        """Validation inside `fit` begins."""
        self._close_epoch()
        self._board.enter(Activity.VALIDATING)
        iterator = keras_internals.evaluation_iterator(self._model)
        if self._test_feed is None or not self._test_feed.belongs_to(iterator):
            self._test_feed = Feed(iterator, self._at.fit)
            self._test_feed.say_inexact(self._board)
            self._test_is_warm = self.gates_are_open
        self._test_feed.begin_epoch(0)
        self._test_batch = 0
        self._is_validating = True

    def before_test_batch(self) -> None:
        """A validation batch begins."""
        self._leave_if_told()

    def test(self, iterator: Any, compute: Compute) -> Any:
        """Stands in for the model's test function."""
        if self._test_feed is None or not self._is_validating:  # a callback's own evaluate
            return compute(iterator)
        if self.gates_are_open:
            return compute(self._test_feed.live(iterator, 0))
        return self._pass_over_test(self._test_feed, iterator, compute)

    def _pass_over_test(self, feed: Feed, iterator: Any, compute: Compute) -> Any:
        """The first test step is computed too: it may be the first to use a variable."""
        steps = self._model.steps_per_execution
        if self._test_is_warm:
            self._test_batch += feed.skip(iterator, self._test_batch, steps)
            return {}
        self._test_is_warm = True
        batches, count = feed.take(iterator, 0, steps)
        self._test_batch += count
        compute(batches)
        feed.restart()
        return {}

    def end_test(self) -> None:
        """Validation inside `fit` is over."""
        self._is_validating = False
        self._board.enter(Activity.TRAINING if self.gates_are_open else Activity.REPLAYING)

    def end_epoch(self, logs: dict[str, Any]) -> None:
        """The epoch's values are known; the user's callbacks have not seen them yet."""
        self._close_epoch()
        if self._walk is None:
            self._board.logged(numbers(logs))
            self._obey()
            value, is_best = self._best.judge(logs)
            at = self._at.progress(epoch_is_done=True)
            self._saves.end_of_epoch(at, value, is_best=is_best)
        elif self._walk.has_arrived:
            self._model.stop_training = True

    def end(self) -> None:
        """The fit is over, the user's `on_train_end` included."""
        if self._walk is not None:
            self._walk.restore_end()
            self._layers.restore_end(self._walk.saved.get("trained_layers", {}))
            self._obeying.go_live(self._walk.saved)
            self._attempt.result = restored_result(self._walk.saved)
        else:
            self._best.refuse_if_missing(self._state.history.history)
            history = self._state.history
            self._attempt.result = self._outcome.of(
                self._at, history, in_batch=self._stops_in_batch
            )
            self._saves.final()
            self._state.files.end(self._attempt.settings.store_deadline_seconds)
            self._obeying.answer()
        self._feed.close()
        self._attempt.steps = self._at.step
        self._attempt.signals.unsaved = NothingUnsaved()
        self._board.enter(Activity.SCRIPT)

    def leave_unended(self) -> None:
        """An error ended this fit, the script caught it, and another fit begins."""
        self._attempt.signals.unsaved = NothingUnsaved()
        self._state.files.let_go()
        self._board.notice(
            Kind.FIT_NOT_ENDED,
            f"fit number {self._at.fit} was ended by an error that the script caught. A resumed process "
            f"trains it again, and with it everything after it",
        )

    # -- what they do ----------------------------------------------------------------------------

    def _say_total(self, steps: int | None, epochs: int | None, first: int) -> None:
        total = self._at.step + int(steps) * (int(epochs) - first) if steps and epochs else None
        self._board.set(total_steps=total)

    def _begin_epoch_data(self) -> None:
        """The epoch's first batch is about to be drawn."""
        if self._walk is not None:
            self._walk.begin_epoch_data()
        if self._feed.is_python:
            self._host_at_epoch = streams.capture_host()

    def _arrive(self, walk: Walk) -> Any:
        """The cursor is reached: an ended fit waits for its end, another is trained on."""
        if walk.is_to_end:
            self._model.stop_training = walk.saved["stops_in_batch"]
            return {}
        walk.restore(self._leave_if_told)
        self._logs, self._probe = walk.saved["logs"], walk.saved["probe"]
        self._best.restore(walk.saved["best"])
        made_anew = self._layers.restore(walk.saved.get("trained_layers", {}))
        self._is_compiled = not (self._obeying.go_live(walk.saved) or made_anew)
        self._walk = None
        self._saves.go_live(self._at.progress())
        return self._logs

    def _train(self, iterator: Any, compute: Compute) -> Any:
        batches, count = self._next_batches(iterator)
        if self._is_compiled:
            self._logs = compute(batches)
        else:
            with self._board.during(Activity.COMPILING):
                self._layers.trace_begins()
                self._logs = compute(batches)
                self._state.prepare()
            self._layers.traced()
            self._is_compiled = True
        self._at.train(count)
        return self._logs

    def _next_batches(self, iterator: Any) -> tuple[Any, int]:
        """The iterator for the next step, and how many batches that takes from it; an epoch's first
        batch leaves its fingerprint.
        """
        batch = self._at.batch
        steps = self._model.steps_per_execution
        if batch > 0 and not self._feed.ends_unannounced:
            return self._feed.live(iterator, batch), self._feed.step_size(batch, steps)
        batches, count = self._feed.take(iterator, batch, steps)
        if batch == 0:
            self._probe = self._feed.probe()
        return batches, count

    def _close_epoch(self) -> None:
        """The epoch's train steps are over: their state is held while what follows changes it."""
        if self._walk is not None:
            self._walk.close_epoch()
            return
        self._open_gates()
        self._stops_in_batch = bool(self._model.stop_training)
        self._saves.hold()

    def _open_gates(self) -> None:
        """The step at the cursor is done with all that belongs to it: the user's callbacks run again."""
        if not self.gates_are_open:
            self.gates_are_open = True
            self._board.enter(Activity.TRAINING)

    def _log_values(self, now: float) -> None:
        """Publish the newest values; reading them waits for the device, so not at every step."""
        self._logged_at = now
        self._board.measure_rate()
        rate = learning_rate(self._model.optimizer, self._attempt.control.factor)
        self._board.logged({**numbers(self._logs), **rate})

    def _obey(self) -> None:
        """Obey the requests that are due after this step."""
        if self._walk is not None or not self._attempt.control.is_due:
            return
        if self._obeying.obey(self._at.cursor, self._at.step):
            self._is_compiled = False

    def _leave_if_told(self) -> None:
        if self._attempt.signals.is_set:
            self._saves.leave()

    def _capture(self, kind: RecordKind) -> Snapshot:
        is_python = self._feed.is_python
        fit = {
            "logs": values(self._logs),
            "stop_training": bool(self._model.stop_training),
            "stops_in_batch": self._stops_in_batch,
            "probe": self._probe,
            "best": self._best.to_state(),
            "result": asdict(self._attempt.result),
            "requests": self._attempt.control.state(),
            "trained_layers": self._layers.to_state(),
            "host_at_fit": self._host_at_fit if is_python else None,
            "host_at_epoch": self._host_at_epoch if is_python else None,
        }
        return self._state.capture(kind, self._at.cursor, self._at.step, fit)
