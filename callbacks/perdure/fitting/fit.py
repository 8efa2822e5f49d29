"""One call of `fit`: it walks to where the dead run was, then trains and saves.

The cursor is "after train batch b of epoch e". Keras' own loop runs from its first epoch on, so that
iterators of training and validation are made in the dead run's order; until the cursor is reached its
train and test functions compute nothing and the user's callbacks are held back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from perdure import keras_internals
from perdure.attempt import Attempt
from perdure.contract.status import Activity, Kind
from perdure.errors import Refused
from perdure.fitting.feed import Feed
from perdure.fitting.saving import Saves
from perdure.fitting.state import FitState, fit_state
from perdure.interval import Progress
from perdure.lineage.lineage import Point
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import Snapshot
from perdure.signals import NothingUnsaved
from perdure.state import streams

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
        self._number = attempt.next_fit()
        self._state = FitState(model, callbacks, attempt.board)
        self._feed = Feed(keras_internals.latest_epoch_iterator())
        self._test_feed: Feed | None = None
        self._is_validating = False
        self._saves = Saves(attempt, self._capture, attempt.steps)
        self._point: Point | None = attempt.point_for(self._number)
        self._saved = fit_state(self._point) if self._point else {}
        self._is_warm = self._is_compiled = False
        self._epoch = self._batch = 0
        self._step = attempt.steps
        self._logs: Any = self._saved.get("logs", {})
        self._logged_at = 0.0
        self._probe: dict[str, Any] = self._saved.get("probe", {})
        self._host_at_fit = self._saved.get("host_at_fit") or streams.capture_host()
        self._host_at_epoch: dict[str, Any] = self._host_at_fit
        self._stops_in_batch = False
        self._best: float | None = None
        self.is_walking = self._point is not None
        self.gates_are_open = not self.is_walking
        self._begin(params)

    def _begin(self, params: dict[str, Any]) -> None:
        self._say_what_cannot_be_exact()
        if self._point is not None and self._feed.is_python:
            streams.restore_host(self._host_at_fit)
        steps, epochs = params.get("steps"), params.get("epochs")
        total = self._step + int(steps) * int(epochs) if steps and epochs else None
        self._board.set(fit=self._number, total_steps=total)
        self._attempt.signals.unsaved = self._saves
        if self._point is None:
            self._saves.go_live(self._progress())
            self._board.enter(Activity.TRAINING)
        else:
            to_replay = self._point.checkpoint.step - self._step
            self._board.set(resumed_from=self._point.checkpoint.step, steps_to_replay=to_replay)
            self._board.enter(Activity.REPLAYING)

    def _say_what_cannot_be_exact(self) -> None:
        if self._feed.unseeded:
            self._board.notice(
                Kind.DATA_NOT_EXACT,
                f"the tf.data pipeline has random ops without a seed ({', '.join(self._feed.unseeded)}), "
                f"whose values cannot be had again: a resumed run trains on other batches. Give them "
                f"seeds, or use perdure.data",
            )

    # -- hooks of the train loop, in the order in which Keras runs them ----------------------------

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch` begins."""
        self._epoch, self._batch = epoch, 0
        self._feed.begin_epoch(epoch)

    def before_batch(self) -> None:
        """A train batch begins; the one before it and its callbacks are done."""
        if self.is_walking:
            self._leave_if_told()
            return
        if self._batch == 0:
            self._leave_if_told()
            self._saves.release()
            return
        self._between_steps()

    def train(self, iterator: Any, compute: Compute) -> Any:
        """Stands in for the model's train function."""
        if self._batch == 0:
            self._mark_epoch()
        if self.is_walking:
            return self._walk(iterator, compute)
        return self._train(iterator, compute)

    def begin_test(self) -> None:
        """Validation inside `fit` begins."""
        self._close_epoch()
        self._board.enter(Activity.VALIDATING)
        iterator = keras_internals.evaluation_iterator(self._model)
        if self._test_feed is None or not self._test_feed.belongs_to(iterator):
            self._test_feed = Feed(iterator)
        self._test_feed.begin_epoch(0)
        self._is_validating = True

    def before_test_batch(self) -> None:
        """A validation batch begins."""
        self._leave_if_told()

    def test(self, iterator: Any, compute: Compute) -> Any:
        """Stands in for the model's test function."""
        if self._test_feed is None or not self._is_validating:  # a callback's own evaluate
            return compute(iterator)
        if not self.gates_are_open:
            self._test_feed.skip(iterator, self._model.steps_per_execution)
            return {}
        return compute(self._test_feed.live(iterator, 0))

    def end_test(self) -> None:
        """Validation inside `fit` is over."""
        self._is_validating = False
        self._board.enter(Activity.TRAINING if self.gates_are_open else Activity.REPLAYING)

    def end_epoch(self, logs: dict[str, Any]) -> None:
        """The epoch's values are known; the user's callbacks have not seen them yet."""
        self._close_epoch()
        if self.gates_are_open:
            self._board.logged(_numbers(logs))
            value, is_best = self._judge(logs)
            self._saves.end_of_epoch(self._progress(epochs_done=True), value, is_best=is_best)
        elif self._is_past_target():
            self._model.stop_training = True

    def end(self) -> None:
        """The fit is over, the user's `on_train_end` included."""
        if self.is_walking:
            self._restore_end()
        else:
            self._refuse_missing_monitor()
            self._saves.final(lambda: self._capture(RecordKind.FINAL))
        self._attempt.steps = self._step
        self._attempt.signals.unsaved = NothingUnsaved()
        self._board.enter(Activity.SCRIPT)

    # -- walking ---------------------------------------------------------------------------------

    def _walk(self, iterator: Any, compute: Compute) -> Any:
        """Pass over one call of the train function."""
        if self._is_past_target():
            raise StopIteration
        count = self._model.steps_per_execution
        if self._is_warm:
            self._feed.skip(iterator, count)
        else:
            self._warm_up(iterator, compute)
        self._batch += count
        self._step += count
        self._board.replayed(fit=self._number, epoch=self._epoch, step=self._step, count=count)
        if self._cursor() == self._target():
            self._arrive(iterator)
            return self._logs
        return {}

    def _warm_up(self, iterator: Any, compute: Compute) -> None:
        """Compute the first step, so that all variables exist; its effects are overwritten later."""
        with self._board.during(Activity.COMPILING):
            compute(self._feed.take(iterator, 0, self._model.steps_per_execution))
        self._feed.restart()
        self._is_warm = self._is_compiled = True

    def _arrive(self, iterator: Any) -> None:
        """The cursor is reached: the end of a finished fit waits for `end`, else training goes on."""
        assert self._point is not None, "only a resumed fit walks"
        if self._point.is_final:
            self._model.stop_training = self._saved["stops_in_batch"]
            return
        self._replay_data()
        with self._board.during(Activity.RESTORING):
            self._state.restore(self._point, with_host_streams=not self._feed.is_python)
        self._model.stop_training = self._saved["stop_training"]
        self._go_live(self._point)

    def _replay_data(self) -> None:
        """Bring the data to the cursor, and see whether it is the data of the dead run."""
        try:
            self._feed.settle(self._leave_if_told)
        except StopIteration:
            raise self._data_changed(f"in epoch {self._epoch}") from None
        if (
            self._probe.get("epoch") == self._epoch
            and self._probe["digest"] != self._feed.first_of_epoch()
        ):
            self._board.notice(
                Kind.DATA_CHANGED,
                f"the first batch of epoch {self._epoch} is not the one that this lineage was trained on, "
                f"so the result is not that of an undisturbed run; is everything seeded in the script "
                f"that makes the data?",
            )

    def _go_live(self, point: Point) -> None:
        """Training goes on from the checkpoint that was restored."""
        self.is_walking = False
        self._best = self._saved["best"]
        self._attempt.writer.resume_from(point.number)
        self._saves.go_live(self._progress())

    def _restore_end(self) -> None:
        assert self._point is not None, "only a resumed fit walks"
        if not self._point.is_final:
            raise self._data_changed(f"after {self._step} steps")
        with self._board.during(Activity.RESTORING):
            self._state.restore(self._point, with_host_streams=True)
        self._model.stop_training = self._saved["stop_training"]
        self._step = self._point.checkpoint.step
        self._attempt.writer.resume_from(self._point.number)

    def _target(self) -> Cursor:
        assert self._point is not None, "only a resumed fit walks"
        return self._point.checkpoint.cursor

    def _is_past_target(self) -> bool:
        return self.is_walking and self._cursor() >= self._target()

    def _close_epoch(self) -> None:
        """The epoch's train steps are over: open the gates of an arrived fit, hold the state of a live one."""
        if not self.is_walking:
            self._open_gates()
            self._stops_in_batch = bool(self._model.stop_training)
            self._saves.hold()
        elif self._epoch == self._target().epoch and self._batch < self._target().batch:
            raise self._data_changed(f"of epoch {self._epoch} after {self._batch} batches")

    def _data_changed(self, where: str) -> Refused:
        target = self._target()
        return Refused(
            f"the training data ended {where}. Expected: at least {target.batch} batches in epoch "
            f"{target.epoch}, which checkpoint {self._point and self._point.number} was trained on. Give the "
            f"same data, or use a new spec.run (PERDURE_JOB); nothing was deleted."
        )

    # -- live ------------------------------------------------------------------------------------

    def _open_gates(self) -> None:
        if not self.gates_are_open:
            self.gates_are_open = True
            self._board.enter(Activity.TRAINING)

    def _between_steps(self) -> None:
        self._open_gates()
        self._log_values()
        self._saves.between_steps(self._progress())

    def _train(self, iterator: Any, compute: Compute) -> Any:
        count = self._model.steps_per_execution
        iterator = self._next_batches(iterator, count)
        if self._is_compiled:
            self._logs = compute(iterator)
        else:
            with self._board.during(Activity.COMPILING):
                self._logs = compute(iterator)
            self._is_compiled = True
        self._batch += count
        self._step += count
        self._board.stepped(fit=self._number, epoch=self._epoch, step=self._step, trained=count)
        self._saves.reached(self._progress())
        return self._logs

    def _mark_epoch(self) -> None:
        """Python's random streams as the epoch's first batch is about to be drawn."""
        at_target = self.is_walking and self._epoch == self._target().epoch
        if at_target and self._feed.is_python and not self._feed.is_persistent:
            streams.restore_host(self._saved["host_at_epoch"])
        if self._feed.is_python:
            self._host_at_epoch = streams.capture_host()

    def _next_batches(self, iterator: Any, count: int) -> Any:
        """The iterator for the next step; an epoch's first batch leaves its fingerprint."""
        if self._batch > 0 and not self._feed.ends_unannounced:
            return self._feed.live(iterator, self._batch)
        own = self._feed.take(iterator, self._batch, count)
        if self._batch == 0:
            self._probe = {"epoch": self._epoch, "digest": self._feed.first_of_epoch()}
        return own

    def _log_values(self) -> None:
        """Publish the newest values; reading them waits for the device, so not at every step."""
        now = time.monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            self._board.logged({**_numbers(self._logs), **_learning_rate(self._model)})

    def _leave_if_told(self) -> None:
        if self._attempt.signals.is_set:
            self._saves.leave()

    # -- what is saved ---------------------------------------------------------------------------

    def _cursor(self) -> Cursor:
        return Cursor(self._number, self._epoch, self._batch)

    def _progress(self, *, epochs_done: bool = False) -> Progress:
        return Progress(time.monotonic(), self._step, self._epoch + int(epochs_done))

    def _capture(self, kind: RecordKind) -> Snapshot:
        extra = {
            "logs": _numbers(self._logs),
            "stop_training": bool(self._model.stop_training),
            "stops_in_batch": self._stops_in_batch,
            "probe": self._probe,
            "best": self._best,
            "host_at_fit": self._host_at_fit if self._feed.is_python else None,
            "host_at_epoch": self._host_at_epoch if self._feed.is_python else None,
        }
        return self._state.capture(kind, self._cursor(), self._step, extra)

    def _judge(self, logs: dict[str, Any]) -> tuple[float | None, bool]:
        """The monitored value of this epoch, and whether it is the best so far."""
        keep = self._attempt.settings.keep
        if keep.monitor is None:
            return None, False
        value = logs.get(keep.monitor)
        if value is None:
            self._miss_monitor(logs)
            return None, False
        sign = 1 if keep.mode == "min" else -1
        number = float(value)
        is_best = math.isfinite(number) and (
            self._best is None or sign * number < sign * self._best
        )
        self._best = number if is_best else self._best
        return (number if math.isfinite(number) else None), is_best

    def _miss_monitor(self, logs: dict[str, Any]) -> None:
        monitor = str(self._attempt.settings.keep.monitor)
        validated = any(name.startswith("val_") for name in logs)
        if validated or not monitor.startswith("val_"):
            raise _monitor_missing(monitor, logs)
        self._board.notice(
            Kind.MONITOR_MISSING,
            f"the best checkpoint is chosen by {monitor}, and no validation ran yet",
        )

    def _refuse_missing_monitor(self) -> None:
        monitor = self._attempt.settings.keep.monitor
        if (
            monitor is not None
            and self._best is None
            and monitor not in self._model.history.history
        ):
            raise _monitor_missing(monitor, self._model.history.history)


def _monitor_missing(monitor: str, logs: dict[str, Any]) -> Refused:
    return Refused(
        f"spec.checkpoint.keep.best.monitor (PERDURE_KEEP): expected one of the training log's values "
        f"({', '.join(sorted(logs))}). Received: {monitor!r}."
    )


def _numbers(logs: Any) -> dict[str, float]:
    """The scalars of a training log as Python floats, which hold every float32 exactly."""
    items = logs.items() if isinstance(logs, dict) else ()
    arrays = ((name, np.asarray(value)) for name, value in items)
    return {name: float(array) for name, array in arrays if array.ndim == 0}


def _learning_rate(model: Any) -> dict[str, float]:
    rate = getattr(model.optimizer, "learning_rate", None)
    return {} if rate is None else {"learning_rate": float(np.asarray(rate))}
