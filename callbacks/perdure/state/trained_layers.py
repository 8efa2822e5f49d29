"""Which layers are trained: a callback may change that, and make the train function anew.

A flag has no effect before the next trace of the train function, so what counts are the flags that it was
traced with: at first, when the optimizer got its slots; at last, for the function in force. And those of now.
"""

from __future__ import annotations

from typing import Any

from perdure import keras_internals

Flags = list[bool]


class TrainedLayers:
    """The flags `trainable` of a model's layers, in the order in which Keras has them."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._first: Flags | None = None
        self._in_function: Flags = []
        self._after_trace: Flags | None = None

    def trace_begins(self) -> None:
        """The train function is about to be traced; before the first time a model may have fewer layers."""
        if self._first is None:
            self._first = self._now()

    def traced(self) -> None:
        """The train function has been traced."""
        self._in_function = self._now()
        if self._after_trace is not None:
            self._give(self._after_trace)
            self._after_trace = None

    def _now(self) -> Flags:
        return [bool(layer.trainable) for layer in keras_internals.layers_of(self._model)]

    def to_state(self) -> dict[str, Flags]:
        """All that counts, for a checkpoint."""
        return {"first": self._first or [], "in_function": self._in_function, "now": self._now()}

    def begin(self, state: dict[str, Flags]) -> None:
        """A resumed fit begins: its first step is to make the slots that the dead run's first step made."""
        if state:
            self._give(state["first"])

    def restore(self, state: dict[str, Flags]) -> bool:
        """Go on from `state`; whether the train function was made anew, to be traced with its flags. So far
        it is the first one, since the hooks of callbacks were passed over.
        """
        if not state:
            return False
        self._first, self._in_function = state["first"], state["in_function"]
        if self._in_function == self._now():
            self._give(state["now"])
            return False
        self._give(self._in_function)
        self._after_trace = state["now"]
        self._model.make_train_function(force=True)
        return True

    def restore_end(self, state: dict[str, Flags]) -> None:
        """The fit is over: what follows it sees the flags that it left."""
        if state:
            self._give(state["now"])

    def _give(self, flags: Flags) -> None:
        """A layer's flag sets those of the layers in it, which come after it."""
        layers = keras_internals.layers_of(self._model)
        if len(flags) == len(layers) and flags != self._now():
            for layer, flag in zip(layers, flags, strict=True):
                layer.trainable = flag
