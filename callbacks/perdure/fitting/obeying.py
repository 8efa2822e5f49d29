"""Obeys requests after the steps of a fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras

from perdure.attempt import Attempt
from perdure.board import say
from perdure.contract.requests import Request, Verb
from perdure.contract.status import Kind
from perdure.fitting import learning_rate
from perdure.fitting.saving import Saves
from perdure.lineage.records import Cursor, Obeyed
from perdure.store import StoreError


class CannotObey(Exception):
    """This fit has not what the request is about; the message is for a person."""


class Controlled(Protocol):
    """The training that requests change."""

    def finish(self) -> None:
        """The step under way is the last one."""

    def why_no_rate(self) -> str | None:
        """Why a learning rate cannot be multiplied: what was expected and received, None if it can."""

    def scale(self, factor: float) -> bool:
        """Train with the learning rate times `factor`; whether the train function was made anew."""


class ModelControl:
    """A model that `fit` trains."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def finish(self) -> None:
        """As Keras' own callbacks end a fit: all that belongs to an end runs."""
        self._model.stop_training = True

    def why_no_rate(self) -> str | None:
        """It has no optimizer."""
        if learning_rate.has_rate(self._model):
            return None
        return "expected a model with an optimizer. Received: one without."

    def scale(self, factor: float) -> bool:
        """With 1 the step is traced as if Perdure were not there."""
        return learning_rate.scale(self._model, factor)


class Obeying:
    """Obeys what is asked for during one fit, and what was obeyed after the checkpoint it goes on from."""

    def __init__(
        self, attempt: Attempt, training: Controlled, callbacks: Sequence[Any], saves: Saves
    ) -> None:
        assert attempt.saver is not None, "the lineage is taken over before a fit begins"
        self._saver = attempt.saver
        self._board = attempt.board
        self._control = attempt.control
        self._training = training
        self._callbacks = callbacks
        self._saves = saves
        self._asked: tuple[Request, int] | None = None

    def go_live(self, saved: dict[str, Any]) -> bool:
        """Training goes on from where the process is, or from a checkpoint's `saved`; whether the train
        function was made anew.
        """
        if saved:
            self._control.resume(saved.get("requests", {}))
        return self._training.scale(self._control.factor)

    def obey(self, cursor: Cursor, step: int) -> bool:
        """Obey what is due after a step; whether the train function was made anew."""
        factor = self._control.factor
        while (again := self._control.next_again(cursor)) is not None:
            self._apply(again, step)
        if not self._control.is_behind and self._saver.is_free:
            self._obey_new(cursor, step)
        return self._control.factor != factor

    def _obey_new(self, cursor: Cursor, step: int) -> None:
        request = self._control.waiting
        if request is None:
            return
        if request.verb is Verb.CHECKPOINT:
            self._save_for(request, step)
            return
        self._asked = None
        try:
            self._effect(request)
        except CannotObey as error:
            self._control.refuse(str(error), request.id)
            return
        if self._note(request, cursor):
            self._apply(request, step)

    def _apply(self, request: Request, step: int) -> None:
        try:
            self._effect(request)()
        except CannotObey as error:
            self._control.refuse(str(error), request.id)
            return
        self._control.applied(request)
        say(
            f"request {request.id} obeyed after step {step}: {request.verb} {request.arguments or ''}"
        )

    def _effect(self, request: Request) -> Callable[[], None]:
        """What obeying the request does.

        Raises:
            CannotObey: this fit has nothing that it could be done to.
        """
        match request.verb:
            case Verb.FINISH:
                return self._training.finish
            case Verb.LEARNING_RATE_FACTOR:
                return self._factor(request.factor)
            case Verb.PATIENCE:
                return self._patience(request.callback, request.patience)
        raise CannotObey(f"request.verb: {request.verb} changes nothing in training")

    def _factor(self, factor: float) -> Callable[[], None]:
        why_not = self._training.why_no_rate()
        if why_not is not None:
            raise CannotObey(f"request learning-rate-factor: {why_not}")

        def effect() -> None:
            self._control.factor = factor
            self._training.scale(factor)

        return effect

    def _patience(self, name: str | None, patience: int) -> Callable[[], None]:
        having = [callback for callback in self._callbacks if hasattr(callback, "patience")]
        chosen = [callback for callback in having if _is_meant(callback, name)]
        if not chosen:
            names = ", ".join(type(callback).__name__ for callback in having) or "none"
            raise CannotObey(
                f"request patience: expected the class name of a callback of this fit that has a "
                f"patience ({names}). Received: {name or 'no name, and no callback of Keras has one'}."
            )

        def effect() -> None:
            for callback in chosen:
                callback.patience = patience

        return effect

    def _save_for(self, request: Request, step: int) -> None:
        """Ask for a save once; the request is obeyed when what was trained by then is committed."""
        if self._asked is None or self._asked[0] != request:
            self._asked = (request, step)
            self._saves.ask()
        self.answer()

    def answer(self) -> None:
        """The checkpoint that was asked for may be there."""
        if self._asked is None or not self._saves.is_committed(self._asked[1]):
            return
        request, step = self._asked
        if self._note(request, None):
            self._asked = None
            self._control.settle(request.id)
            say(f"request {request.id} obeyed: step {step} is saved")

    def _note(self, request: Request, cursor: Cursor | None) -> bool:
        """Put the request on record; False if the store cannot be written now, and it has to wait."""
        try:
            self._saver.note(Obeyed(request.id, request.verb, request.arguments, cursor), 0.0)
        except StoreError as error:
            self._board.notice_first(
                Kind.STORE_UNAVAILABLE, f"a request waits until the store can be written ({error})"
            )
            return False
        return True


def _is_meant(callback: Any, name: str | None) -> bool:
    if name is None:
        return isinstance(
            callback, keras.callbacks.EarlyStopping | keras.callbacks.ReduceLROnPlateau
        )
    return type(callback).__name__ == name
