"""What callbacks hold of Keras and TensorFlow: tensors, and variables with what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from perdure.state.codec import Array, Decoder, Encoder
from perdure.state.objects import AS_MADE
from perdure.state.plain import NotEncodable, NotPlaceable, name_of_type
from perdure.state.reader import view
from perdure.state.variables import Listed, Named, held_by, values_in

NEVER_CHANGE = (
    *AS_MADE, tf.data.Dataset, tf.types.experimental.GenericFunction, tf.DType, tf.TypeSpec,
    keras.losses.Loss, keras.optimizers.schedules.LearningRateSchedule, keras.initializers.Initializer,
    keras.regularizers.Regularizer,
)  # fmt: skip
"""What holds no state of a training; none of these is written once it is made."""
_VARIABLES = (tf.Variable, keras.Variable)
_HOLDERS = (keras.Layer, keras.metrics.Metric, keras.optimizers.Optimizer)
_GENERATORS = (keras.random.SeedGenerator, tf.random.Generator)
_NO_NUMBERS = (tf.string, tf.variant, tf.resource)


class Tensors:
    """Eager tensors, which are never written."""

    tag = "$tensor"

    def fits(self, value: Any) -> bool:
        """Whether `value` is one."""
        return isinstance(value, tf.Tensor) and hasattr(value, "numpy")

    def encode(self, value: Any, encode: Encoder) -> Any:
        """Its values."""
        return encode.array(_values(value))

    def decode(self, document: Any, present: Any, decode: Decoder) -> Any:
        """A tensor of those values."""
        return tf.convert_to_tensor(decode(document))


class Variables:
    """Variables, and the layers, models, metrics, optimizers and generators that hold them.

    Values are put back into the variables that are there. Nothing is kept here of those that are saved
    with the models, whose identities `saved` gives.
    """

    tag = "$variables"

    def __init__(self, saved: Callable[[], frozenset[int]]) -> None:
        self._saved = saved

    @cached_property
    def _saved_already(self) -> frozenset[int]:
        return self._saved()

    def fits(self, value: Any) -> bool:
        """Whether `value` is a variable or holds some."""
        return isinstance(value, _VARIABLES + _HOLDERS + _GENERATORS)

    def encode(self, value: Any, encode: Encoder) -> Any:
        """Its type, and each variable's values or None."""
        return [name_of_type(value), [self._encode_one(entry, encode) for entry in _of(value)]]

    def _encode_one(self, entry: Named, encode: Encoder) -> Any:
        if id(entry.variable) in self._saved_already:
            return None
        return encode.array(_values(entry.variable.read_value()))

    def decode(self, document: Any, present: Any, decode: Decoder) -> Any:
        """What is present, with the values."""
        kind, saved = document
        if not self.fits(present):
            raise NotPlaceable(f"{kind}, which the callback has not made again")
        if all(each is None for each in saved):
            return present
        values = [None if each is None else decode(each) for each in saved]
        variables = [entry.variable for entry in _of(present)]
        if len(values) != len(variables) or not all(map(_fits, variables, values)):
            raise NotPlaceable(f"{kind} whose variables are not those that this process has made")
        for variable, value in zip(variables, values, strict=True):
            if value is not None:
                variable.assign(value)
        return present


def _fits(variable: Any, value: Array | None) -> bool:
    return value is None or (
        tuple(variable.shape) == value.shape and variable.dtype.as_numpy_dtype == value.dtype
    )


def _of(value: Any) -> list[Named]:
    """The TensorFlow variables that `value` consists of; a model's metrics begin anew with every fit."""
    if isinstance(value, keras.Layer):
        found = [each for each in held_by(value) if each[0] != "metrics"]
    else:
        found = [_listed(variable) for variable in _directly(value)]
    return values_in(found)


def _directly(value: Any) -> list[Any]:
    if isinstance(value, _VARIABLES):
        return [value]
    return [value.state] if isinstance(value, _GENERATORS) else list(value.variables)


def _listed(variable: Any) -> Listed:
    return ("callback", variable.name, variable)


def _values(tensor: Any) -> Array:
    """The values themselves where the device is the host: TensorFlow writes to them no more."""
    if tensor.dtype in _NO_NUMBERS:
        raise NotEncodable(f"a tensor of {tensor.dtype.name}")
    return view(tensor)
