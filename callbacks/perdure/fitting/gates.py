"""Gates around the user's callbacks: closed while a resumed `fit` walks through what the dead run did.

Hooks that ran before the kill must not run again; their effects come back with the callback's state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, Protocol

import keras

HOOKS = tuple(name for name in dir(keras.callbacks.Callback) if name.startswith("on_"))


class OpenGates(Protocol):
    """Says what passes the gates."""

    def gates_are_open(self) -> bool:
        """Whether hooks pass."""

    def train_begins(self) -> bool:
        """Whether `on_train_begin` passes."""

    def diverge(self, callback: str, logs: Any) -> NoReturn:
        """End the process: training has diverged, as `callback` saw in `logs`."""


class Gate(keras.callbacks.Callback):  # type: ignore[misc]
    """Passes hooks on to `callback` while the gates are open."""

    callback: Any
    hooks: OpenGates

    def close(self) -> None:
        """Ask again at each hook whether the gates are open."""
        for name in HOOKS:
            self.__dict__.pop(name, None)

    def leave_open(self, name: str) -> Any:
        """From now on hook `name` is the callback's own, at the cost that it has without a gate."""
        hook = self.__dict__[name] = getattr(self.callback, name)
        return hook

    def set_model(self, model: Any) -> None:
        """Pass the model on."""
        super().set_model(model)
        self.callback.set_model(model)

    def hand_model(self) -> None:
        """The callback has the model already."""

    def set_params(self, params: Any) -> None:
        """Pass the parameters on."""
        super().set_params(params)
        self.callback.set_params(params)


class LateGate(Gate):
    """Passes the model on with the first hook: for a callback that writes files once it has the model.

    By then it is known whether the fit is resumed, and what the callback has written in it.
    """

    _is_handed = False

    def set_model(self, model: Any) -> None:
        """Keep the model."""
        keras.callbacks.Callback.set_model(self, model)
        self._is_handed = False

    def hand_model(self) -> None:
        """Pass the model on, once."""
        if not self._is_handed:
            self._is_handed = True
            self.callback.set_model(self.model)

    def leave_open(self, name: str) -> Any:
        """From now on the hook is the callback's own, which has the model."""
        self.hand_model()
        return super().leave_open(name)


class DivergenceGate(Gate):
    """A gate around TerminateOnNaN: where that would end the fit, it ends the process as diverged."""

    def leave_open(self, name: str) -> Any:
        """From now on hook `name` is the callback's own, watched."""
        hook = self.__dict__[name] = partial(self._watched, super().leave_open(name))
        return hook

    def _watched(self, hook: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        was_stopping = self.model.stop_training
        try:
            hook(*args, **kwargs)
        except RuntimeError:
            if not getattr(self.callback, "raise_error", False):
                raise
            self.hooks.diverge(type(self.callback).__name__, kwargs.get("logs"))
        if self.model.stop_training and not was_stopping:
            self.hooks.diverge(type(self.callback).__name__, kwargs.get("logs"))


def gated(callback: Any, hooks: OpenGates) -> Any:
    """A gate with just the hooks that `callback` has, since Keras looks at which ones there are."""
    forwards = {name: _forward(name) for name in HOOKS if not _is_default(getattr(callback, name))}
    gate = type(f"Gated{type(callback).__name__}", (_kind(callback),), forwards)()
    gate.callback = callback
    gate.hooks = hooks
    if hasattr(callback, "async_safe"):
        gate.async_safe = callback.async_safe
    return gate


def _kind(callback: Any) -> type[Gate]:
    if isinstance(callback, keras.callbacks.TensorBoard):
        return LateGate
    return DivergenceGate if isinstance(callback, keras.callbacks.TerminateOnNaN) else Gate


def _forward(name: str) -> Callable[..., None]:
    def hook(self: Gate, *args: Any, **kwargs: Any) -> None:
        if self.hooks.gates_are_open():
            self.leave_open(name)(*args, **kwargs)

    def begin(self: Gate, *args: Any, **kwargs: Any) -> None:
        if self.hooks.train_begins():
            self.hand_model()
            self.callback.on_train_begin(*args, **kwargs)

    return begin if name == "on_train_begin" else hook


def _is_default(hook: Any) -> bool:
    """Keras marks the hooks of its base class, which do nothing."""
    return getattr(hook, "_is_default", False)


class QuietProgbar(keras.callbacks.ProgbarLogger):  # type: ignore[misc]
    """Keras' progress bar, which shows nothing of steps that are not computed."""

    async_safe = True  # as Keras treats the one that it adds itself

    def __init__(self, is_open: Callable[[], bool]) -> None:
        super().__init__()
        self._is_open = is_open

    def set_params(self, params: Any) -> None:
        """What Keras tells of the fit; hooks that will show nothing of it cost nothing."""
        super().set_params(params)
        for name in SHOWING:
            if self.verbose == 0:
                self.__dict__[name] = _show_nothing
            else:
                self.__dict__.pop(name, None)


def _show_nothing(*_args: Any, **_kwargs: Any) -> None:
    """The hook of a fit with `verbose=0`."""


def _showing(name: str) -> Callable[..., None]:
    def hook(self: QuietProgbar, *args: Any, **kwargs: Any) -> None:
        if self._is_open():
            self._maybe_init_progbar()  # Keras' own begin of the epoch may have been before the kill
            if name == "on_epoch_end" and not self.seen and not self.target:
                return  # of an epoch of unknown length nothing was shown, and Keras 3.12 cannot end that
            getattr(super(QuietProgbar, self), name)(*args, **kwargs)

    return hook


SHOWING = tuple(
    name
    for name in HOOKS
    # on_train_begin shows nothing; it tells the bar that tests from now on are validation.
    if name != "on_train_begin" and not _is_default(getattr(keras.callbacks.ProgbarLogger, name))
)
for _name in SHOWING:
    setattr(QuietProgbar, _name, _showing(_name))
