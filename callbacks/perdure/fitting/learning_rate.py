"""A factor on the learning rate, whatever sets it: a number, a schedule or a callback.

Only the rate that `apply` uses is multiplied. Whoever reads or sets it from outside, such as
LearningRateScheduler, has the schedule's own, so nothing is multiplied twice.

In `fit` the factor is a constant of the train function, which is made anew for another one. A step that
somebody else traces reads it from a variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from perdure.keras_internals import CURRENT_RATE
from perdure.state.variables import optimizers_of

_STAND_IN = "perdure_learning_rate"


class _Scaled:
    """Stands in for two methods of one optimizer."""

    def __init__(self, optimizer: Any, factor: float, cell: Any = None) -> None:
        self.factor = factor
        self.cell = cell
        """The variable that a step reads the factor from, None if it is a constant there."""
        self.is_used = False
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
        if not self._is_inside:
            return rate
        self.is_used = True
        factor = self.factor if self.cell is None else tf.cast(self.cell, rate.dtype)
        return keras.ops.multiply(rate, factor)


def has_rate(model: Any) -> bool:
    """Whether the model has an optimizer."""
    return any(True for _ in _optimizers(model))


def scale(model: Any, factor: float) -> bool:
    """Let the optimizers of `model` train with `factor`; whether the train function was made anew for it.

    With 1 there is no stand-in: the step is traced as if Perdure were not there.
    """
    changed = [optimizer for optimizer in _optimizers(model) if _factor_of(optimizer) != factor]
    traced = [optimizer for optimizer in changed if not _assign(optimizer, factor)]
    for optimizer in traced:
        _set(vars(optimizer), optimizer, factor)
    if traced:
        model.train_function = None
        model.make_train_function()
    return bool(traced)


def make_variable(optimizers: Iterable[Any]) -> None:
    """From now on steps that are traced with `optimizers` read the factor from a variable."""
    for optimizer in applying(optimizers):
        if _cell_of(optimizer) is None:
            attributes = vars(optimizer)
            factor = _factor_of(optimizer)
            _take_away(attributes)
            cell = tf.Variable(factor, trainable=False, dtype=tf.float32)
            _put(attributes, _Scaled(optimizer, factor, cell))


def are_used(optimizers: Iterable[Any]) -> bool:
    """Whether steps were traced, or run, with the factor of each that `make_variable` was given."""
    return all(vars(optimizer)[_STAND_IN].is_used for optimizer in applying(optimizers))


def set_variable(optimizers: Iterable[Any], factor: float) -> None:
    """The next step of those that `make_variable` was given is with `factor`."""
    for optimizer in applying(optimizers):
        _assign(optimizer, factor)


def _optimizers(model: Any) -> Iterator[Any]:
    return applying(optimizers_of(model))


def applying(optimizers: Iterable[Any]) -> Iterator[Any]:
    """Those that apply gradients themselves, out of their wrappers."""
    stack = list(reversed([*optimizers]))
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


def _cell_of(optimizer: Any) -> Any:
    stand_in = vars(optimizer).get(_STAND_IN)
    return None if stand_in is None else stand_in.cell


def _assign(optimizer: Any, factor: float) -> bool:
    """Give the factor to a step that reads it from a variable; whether it does."""
    cell = _cell_of(optimizer)
    if cell is None:
        return False
    vars(optimizer)[_STAND_IN].factor = factor
    cell.assign(factor)
    return True


def _set(attributes: dict[str, Any], optimizer: Any, factor: float) -> None:
    _take_away(attributes)
    if factor != 1.0:
        _put(attributes, _Scaled(optimizer, factor))


def _take_away(attributes: dict[str, Any]) -> None:
    if _STAND_IN in attributes:
        for name in (_STAND_IN, "apply", CURRENT_RATE):
            del attributes[name]


def _put(attributes: dict[str, Any], scaled: _Scaled) -> None:
    """Past the optimizer's own `__setattr__`, which would track what it is given."""
    attributes.update({_STAND_IN: scaled, "apply": scaled.apply, CURRENT_RATE: scaled.rate})
