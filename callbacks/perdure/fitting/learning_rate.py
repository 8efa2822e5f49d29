"""A factor on the learning rate, whatever sets it: a number, a schedule or a callback.

Only the rate that `apply` uses is multiplied. Whoever reads or sets it from outside, such as
LearningRateScheduler, has the schedule's own, so nothing is multiplied twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from perdure.keras_internals import CURRENT_RATE
from perdure.state.variables import optimizers_of

_STAND_IN = "perdure_learning_rate"


class _Scaled:
    """Stands in for two methods of one optimizer."""

    def __init__(self, optimizer: Any, factor: float) -> None:
        self.factor = factor
        self._apply = optimizer.apply
        self._rate = getattr(optimizer, CURRENT_RATE)
        self._is_inside = False

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def apply(self, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's `apply`."""
        self._is_inside = True
        try:
            return self._apply(*args, **kwargs)
        finally:
            self._is_inside = False

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def rate(self) -> Any:
        """The optimizer's rate of the moment."""
        rate = self._rate()
        return keras.ops.multiply(rate, self.factor) if self._is_inside else rate


def has_rate(model: Any) -> bool:
    """Whether the model has an optimizer."""
    return any(True for _ in _optimizers(model))


def scale(model: Any, factor: float) -> bool:
    """Let the optimizers of `model` train with `factor`; whether the train function was made anew for it.

    With 1 there is no stand-in: the step is traced as if Perdure were not there.
    """
    changed = [optimizer for optimizer in _optimizers(model) if _factor_of(optimizer) != factor]
    for optimizer in changed:
        _set(vars(optimizer), optimizer, factor)
    if changed:
        model.train_function = None
        model.make_train_function()
    return bool(changed)


def _optimizers(model: Any) -> Iterator[Any]:
    """Those that apply gradients themselves, out of their wrappers."""
    stack = list(reversed(optimizers_of(model)))
    while stack:
        optimizer = stack.pop()
        inner = getattr(optimizer, "inner_optimizer", None)
        wrapped = [inner] if inner is not None else getattr(optimizer, "optimizers", None)
        if wrapped is None:
            yield optimizer
        else:
            stack += reversed(wrapped)


def _factor_of(optimizer: Any) -> float:
    stand_in = vars(optimizer).get(_STAND_IN)
    return 1.0 if stand_in is None else float(stand_in.factor)


def _set(attributes: dict[str, Any], optimizer: Any, factor: float) -> None:
    """Past the optimizer's own `__setattr__`, which would track what it is given."""
    if _STAND_IN in attributes:
        for name in (_STAND_IN, "apply", CURRENT_RATE):
            del attributes[name]
    if factor != 1.0:
        scaled = _Scaled(optimizer, factor)
        attributes.update({_STAND_IN: scaled, "apply": scaled.apply, CURRENT_RATE: scaled.rate})
