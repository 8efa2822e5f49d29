"""Gates around the user's callbacks: closed while a resumed `fit` walks through what the dead run did.

Hooks that ran before the kill must not run again; their effects come back with the callback's state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras

HOOKS = tuple(name for name in dir(keras.callbacks.Callback) if name.startswith("on_"))


class OpenGates(Protocol):
    """Says what passes the gates."""

    def gates_are_open(self) -> bool:
        """Whether hooks pass."""

    def train_begins(self) -> bool:
        """Whether `on_train_begin` passes."""


class Gate(keras.callbacks.Callback):  # type: ignore[misc]
    """Passes hooks on to `callback` while the gates are open."""

    callback: Any
    hooks: OpenGates

    def set_model(self, model: Any) -> None:
        """Pass the model on."""
        super().set_model(model)
        self.callback.set_model(model)

    def set_params(self, params: Any) -> None:
        """Pass the parameters on."""
        super().set_params(params)
        self.callback.set_params(params)


def gated(callback: Any, hooks: OpenGates) -> Any:
    """A gate with just the hooks that `callback` has, since Keras looks at which ones there are."""
    forwards = {name: _forward(name) for name in HOOKS if not _is_default(getattr(callback, name))}
    gate = type(f"Gated{type(callback).__name__}", (Gate,), forwards)()
    gate.callback = callback
    gate.hooks = hooks
    if hasattr(callback, "async_safe"):
        gate.async_safe = callback.async_safe
    return gate


def _forward(name: str) -> Callable[..., None]:
    def hook(self: Gate, *args: Any, **kwargs: Any) -> None:
        is_open = self.hooks.train_begins if name == "on_train_begin" else self.hooks.gates_are_open
        if is_open():
            getattr(self.callback, name)(*args, **kwargs)

    return hook


def _is_default(hook: Any) -> bool:
    """Keras marks the hooks of its base class, which do nothing."""
    return getattr(hook, "_is_default", False)


class QuietProgbar(keras.callbacks.ProgbarLogger):  # type: ignore[misc]
    """Keras' progress bar, which shows nothing of steps that are not computed."""

    async_safe = True  # as Keras treats the one that it adds itself

    def __init__(self, is_open: Callable[[], bool]) -> None:
        super().__init__()
        self._is_open = is_open

    def _shows(self) -> bool:
        return self.verbose != 0 and self._is_open()


def _showing(name: str) -> Callable[..., None]:
    def hook(self: QuietProgbar, *args: Any, **kwargs: Any) -> None:
        if self._shows():
            self._maybe_init_progbar()  # Keras' own begin of the epoch may have been before the kill
            if name == "on_epoch_end" and not self.seen and not self.target:
                return  # of an epoch of unknown length nothing was shown, and Keras 3.12 cannot end that
            getattr(super(QuietProgbar, self), name)(*args, **kwargs)

    return hook


for _name in HOOKS:
    # on_train_begin shows nothing; it tells the bar that tests from now on are validation.
    if _name != "on_train_begin" and not _is_default(getattr(keras.callbacks.ProgbarLogger, _name)):
        setattr(QuietProgbar, _name, _showing(_name))
