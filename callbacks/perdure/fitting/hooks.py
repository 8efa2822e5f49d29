"""Perdure's own callbacks: the first and the last of the list that `fit` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import keras

from perdure import keras_internals
from perdure.attempt import Attempt, Exits
from perdure.contract.status import Activity
from perdure.errors import Diverged, Refused
from perdure.fitting.fit import Fit
from perdure.fitting.gates import Gate
from perdure.fitting.inner import InnerFit, outer_saves
from perdure.fitting.logs import numbers

Compute = Callable[[Any], Any]
Run = Callable[[Any, Compute], Any]


class StandIn:
    """Stands in for a model's train or test function, and can be taken away again. What `run` ends the
    process by is noted.
    """

    def __init__(self, run: Run, function: Any, exits: Exits) -> None:
        self._run = run
        self._exits = exits
        self.original: Compute = _unwrapped(function)

    def __call__(self, iterator: Any) -> Any:
        """Run one call of the function; `train_on_batch` and its like are passed on."""
        if not isinstance(iterator, keras_internals.DatasetIterator):
            return self.original(iterator)
        with self._exits:
            return self._run(iterator, self.original)


def _unwrapped(function: Any) -> Any:
    return function.original if isinstance(function, StandIn) else function


class Hooks:
    """What both callbacks share: the fit that runs, and its gates."""

    def __init__(self, attempt: Attempt, callbacks: Sequence[Any]) -> None:
        self.attempt = attempt
        self.callbacks = callbacks
        self.fit: Fit | InnerFit | None = None
        self.gates: Sequence[Gate] = ()

    def close_gates(self) -> None:
        """A fit begins, and may have to walk."""
        for gate in self.gates:
            gate.close()

    def gates_are_open(self) -> bool:
        """Whether the user's callbacks run now."""
        return self.fit is None or self.fit.gates_are_open

    def train_begins(self) -> bool:
        """Whether the user's `on_train_begin` runs: in a resumed fit too, since files and other
        things that it opens are in no checkpoint, but not in one that has ended.
        """
        return self.fit is None or not self.fit.has_ended_before

    def diverge(self, callback: str, logs: Any) -> NoReturn:
        """End the process: training has diverged, as `callback` saw in `logs`.

        Raises:
            Diverged: always; a save under way is finished before.
        """
        attempt = self.attempt
        with attempt.exits:
            attempt.board.logged(numbers(logs))
            if attempt.saver is not None:
                attempt.saver.wait(attempt.settings.store_deadline_seconds)
            status = attempt.board.status()
            saved = status.checkpoint.step if status.checkpoint else None
            raise Diverged(
                f"{callback} saw a loss that is NaN or infinite in epoch {status.epoch} (from 0) after step "
                f"{status.step}; "
                + (
                    "nothing is saved"
                    if saved is None
                    else f"what is saved up to step {saved} stays"
                )
            )


class First(keras.callbacks.Callback):  # type: ignore[misc]
    """Runs before the user's callbacks: here the state of the step before is complete."""

    def __init__(self, hooks: Hooks) -> None:
        super().__init__()
        self._hooks = hooks
        self._before: str = Activity.SCRIPT
        self._compilation: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """A fit begins."""
        self._hooks.close_gates()
        if self._hooks.fit is not None:
            self._hooks.fit.leave_unended()
        with self._hooks.attempt.exits:
            self._hooks.fit = self._begun()

    def _begun(self) -> Fit | InnerFit:
        attempt = self._hooks.attempt
        outer = outer_saves(attempt, own_fits=1)
        if outer is not None:
            return InnerFit(attempt, outer)
        fit = Fit(attempt, self.model, self._hooks.callbacks, self.params)
        self._compilation = keras_internals.compilation_of(self.model)
        self._stand_in(fit)
        return fit

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch begins."""
        self._fit().begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A step begins; saving and leaving happen here, between steps."""
        fit = self._fit()
        with self._hooks.attempt.exits:
            fit.before_batch()
        if not isinstance(self.model.train_function, StandIn) and isinstance(fit, Fit):
            self._refuse_compiled_anew()
            self._stand_in(fit)
            fit.function_is_new()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch is over."""
        with self._hooks.attempt.exits:
            self._fit().end_epoch(logs or {})

    def on_test_begin(self, logs: Any = None) -> None:
        """Validation inside a fit, or an evaluate of its own, begins."""
        fit = self._hooks.fit
        if fit is None:
            self._before = self._hooks.attempt.board.enter(Activity.EVALUATING)
            return
        with self._hooks.attempt.exits:
            fit.begin_test()
        if isinstance(fit, Fit):
            self.model.test_function = StandIn(
                fit.test, self.model.test_function, self._hooks.attempt.exits
            )

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A test step begins."""
        with self._hooks.attempt.exits:
            if self._hooks.fit is None:
                self._leave_if_told()
            else:
                self._hooks.fit.before_test_batch()

    def on_test_end(self, logs: Any = None) -> None:
        """A test is over."""
        if self._hooks.fit is None:
            self._hooks.attempt.board.enter(Activity(self._before))
        else:
            self._hooks.fit.end_test()

    def on_predict_begin(self, logs: Any = None) -> None:
        """A predict begins."""
        self._before = self._hooks.attempt.board.enter(Activity.PREDICTING)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A predict step begins."""
        with self._hooks.attempt.exits:
            self._leave_if_told()

    def on_predict_end(self, logs: Any = None) -> None:
        """A predict is over."""
        self._hooks.attempt.board.enter(Activity(self._before))

    def _refuse_compiled_anew(self) -> None:
        """What a callback compiles, a resumed process, in which that hook is passed over, does not have."""
        if keras_internals.compilation_of(self.model) is self._compilation:
            return
        with self._hooks.attempt.exits:
            raise Refused(
                "compile: expected before fit, or between two. Received: a callback that compiles the model "
                "inside of one, which a resumed process cannot do again. Compile between two calls of fit."
            )

    def _stand_in(self, fit: Fit) -> None:
        self.model.train_function = StandIn(
            fit.train, self.model.train_function, self._hooks.attempt.exits
        )

    def _fit(self) -> Fit | InnerFit:
        assert self._hooks.fit is not None, "on_train_begin comes first"
        return self._hooks.fit

    def _leave_if_told(self) -> None:
        """Outside of a fit there is nothing to save; inside of one only what that holds can be."""
        signals = self._hooks.attempt.signals
        if not signals.is_set:
            return
        outer = outer_saves(self._hooks.attempt, own_fits=0)
        if outer is None:
            signals.take()
            raise signals.leaving(None)
        if outer.is_holding:
            outer.leave()


class Last(keras.callbacks.Callback):  # type: ignore[misc]
    """Runs after the user's callbacks: here the fit is complete."""

    def __init__(self, hooks: Hooks) -> None:
        super().__init__()
        self._hooks = hooks

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The next call of the train function is this fit's own, not one of a fit inside a hook."""
        assert self._hooks.fit is not None, "on_train_begin comes first"
        self._hooks.fit.step_is_due = True

    def on_train_end(self, logs: Any = None) -> None:
        """A fit is over."""
        fit = self._hooks.fit
        assert fit is not None, "on_train_begin comes first"
        with self._hooks.attempt.exits:
            fit.end()
        self._hooks.fit = None
        if isinstance(fit, Fit):  # the model of an inner one may be the outer one's
            self.model.train_function = _unwrapped(self.model.train_function)
            self.model.test_function = _unwrapped(self.model.test_function)
