"""Models that callbacks hold beside the one that is trained, such as one that a callback trains.

What they have learned belongs to the training: weights, seed generators and optimizers are saved with it.
Metrics are not, since every fit and evaluate begins by resetting them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from perdure import keras_internals
from perdure.board import Board
from perdure.contract.status import Kind
from perdure.lineage.table import TensorEntry
from perdure.state.callbacks import has_protocol, name_of
from perdure.state.variables import Listed, attributes_of, difference, listed, values_in

GROUP = "callbacks"


class HeldModels:
    """The models in attributes of `callbacks`, which may come and go while these run."""

    def __init__(self, callbacks: Sequence[Any], model: Any, board: Board) -> None:
        self._callbacks = [callback for callback in callbacks if not has_protocol(callback)]
        self._model = model
        self._board = board

    def listed_with(self, model: Any) -> list[Listed]:
        """The variables of `model`, and those of the models that callbacks hold."""
        return [*listed(model), *self._listed()]

    def _listed(self) -> list[Listed]:
        return [
            (GROUP, path, variable)
            for held in self._models()
            for group, path, variable in listed(held)
            if group in ("model", "optimizer", "states")
        ]

    def _models(self) -> list[Any]:
        """Those that have variables, each once; their optimizers have theirs too."""
        known = {id(layer) for layer in keras_internals.layers_of(self._model)}
        found = {}
        for callback, held in self._held():
            if id(held) in known:
                continue
            if held.built:
                found[id(held)] = held
            else:
                self._say_not_built(callback, held)
        for held in found.values():
            _build_optimizer(held)
        return list(found.values())

    def _held(self) -> Iterator[tuple[Any, Any]]:
        for callback in self._callbacks:
            for value in attributes_of(callback):
                if isinstance(value, keras.Model):
                    yield callback, value

    def _say_not_built(self, callback: Any, held: Any) -> None:
        self._board.notice(
            Kind.CALLBACK_NOT_CAPTURED,
            f"model {held.name} of callback {name_of(callback)} is not built, so what it will have "
            f"learned cannot be put back when the training is resumed; give it an Input",
        )

    def restore(
        self, entries: Sequence[TensorEntry], arrays: Sequence[np.ndarray[Any, Any]]
    ) -> None:
        """Give the models their values; where others were saved they keep their own, which is said."""
        saved = [entry for entry in entries if entry.group == GROUP]
        values = [array for e, array in zip(entries, arrays, strict=True) if e.group == GROUP]
        present = values_in(self._listed())
        differs = difference(present, saved)
        if differs is not None:
            self._board.notice(
                Kind.CALLBACK_NOT_CAPTURED,
                f"the models that callbacks hold are others than in the checkpoint, so what these had "
                f"learned is lost: {differs}",
            )
            return
        for entry, value in zip(present, values, strict=True):
            entry.variable.assign(value)


def _build_optimizer(held: Any) -> None:
    """Slots are made before the first step, so that they are there when the values come back."""
    optimizer = getattr(held, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(held.trainable_variables)
