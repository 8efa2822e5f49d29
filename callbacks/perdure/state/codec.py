"""Python values to JSON and back, exactly and without pickle.

Arrays are not put into the JSON: they are appended to a list of tensors, and the JSON names their place.
What is a list, a dict or a set in the place that a value is put back to stays that object, so whoever
else holds it sees the value too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from perdure.lineage.dtypes import dtype_name
from perdure.state.plain import (
    DECODERS,
    ENCODERS,
    NotEncodable,
    decode_pairs,
    filled,
    name_of_type,
    put_back,
)

Array = np.ndarray[Any, Any]

STATE_GROUP = "state"
"""The group of a checkpoint's tensors that are the arrays of its JSON part, in the order of their places."""


class Form(Protocol):
    """A further kind of values: in JSON an object with `tag` as its only key."""

    tag: str

    def fits(self, value: Any) -> bool:
        """Whether `value` is of this kind."""

    def encode(self, value: Any, encode: Encoder) -> Any:
        """The JSON form of `value`."""

    def decode(self, document: Any, present: Any, decode: Decoder) -> Any:
        """The value that `encode` made `document` of; `present` is what is in its place."""


class Encoder:
    """Gives values their JSON form; arrays in them are appended to `tensors`."""

    def __init__(self, tensors: list[Array], forms: Sequence[Form] = ()) -> None:
        self.tensors = tensors
        self._forms = forms

    def __call__(self, value: Any) -> Any:
        """The JSON form of `value`.

        Raises:
            NotEncodable: `value` holds something that is neither data nor an array.
        """
        exact = ENCODERS.get(type(value))
        if exact is not None:
            return exact(value, self)
        for form in self._forms:
            if form.fits(value):
                return {form.tag: form.encode(value, self)}
        if isinstance(value, np.generic) and _has_name(value.dtype):
            return {"$scalar": [dtype_name(value.dtype), value.tobytes().hex()]}
        return self.array(_as_array(value))

    def array(self, array: Array) -> dict[str, int]:
        """The JSON form of an array that nobody changes any more."""
        self.tensors.append(array)
        return {"$array": len(self.tensors) - 1}


class Decoder:
    """Gives back what an `Encoder` with the same forms was given."""

    def __init__(self, tensors: Sequence[Array], forms: Sequence[Form] = ()) -> None:
        self._tensors = tensors
        self._decoders: dict[str, Callable[..., Any]] = {
            **DECODERS,
            **{form.tag: form.decode for form in forms},
        }

    def __call__(self, document: Any, present: Any = None) -> Any:
        """The value; lists, dicts and sets are filled into `present` where it is one of that kind.

        Raises:
            NotPlaceable: it needs something that is not `present`.
        """
        if isinstance(document, list):
            return filled(present, list, put_back(document, present, self))
        if not isinstance(document, dict):
            return document
        if len(document) == 1:
            (tag, inner), *_ = document.items()
            if tag == "$array":
                return np.array(self._tensors[inner])
            if tag in self._decoders:
                return self._decoders[tag](inner, present, self)
        return decode_pairs(document.items(), present, self, dict)


def encode(value: Any, tensors: list[Array]) -> Any:
    """The JSON form of plain data, as `Encoder` gives it."""
    return Encoder(tensors)(value)


def decode(document: Any, tensors: Sequence[Array]) -> Any:
    """The value that `encode` made `document` of."""
    return Decoder(tensors)(document)


def _as_array(value: Any) -> Array:
    """Arrays and eager tensors by their own conversion; nothing else has an exact form."""
    if type(value) in _ARRAYS and _has_name(value.dtype):
        array: Array = value
        never_changes = array.flags.owndata and not array.flags.writeable
        return array if never_changes else array.copy()
    if hasattr(value, "numpy") and hasattr(value, "dtype") and not hasattr(value, "assign"):
        array = np.asarray(value.numpy())
        if _has_name(array.dtype):
            return array
    raise NotEncodable(name_of_type(value))


_ARRAYS = (np.ndarray, np.memmap)
"""What is derived from an array otherwise has more to it, such as a mask."""


def _has_name(dtype: np.dtype[Any]) -> bool:
    """Whether an array of `dtype` is told by the name of that and its bytes."""
    return not dtype.hasobject and dtype.type is not np.void
