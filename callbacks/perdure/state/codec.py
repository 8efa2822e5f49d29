"""Python values to JSON and back, exactly and without pickle.

Arrays are not put into the JSON: they are appended to a list of tensors, and the JSON names their place.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from perdure.lineage.dtypes import dtype_name, dtype_of

Array = np.ndarray[Any, Any]

STATE_GROUP = "state"
"""The group of a checkpoint's tensors that are the arrays of its JSON part, in the order of their places."""

_BUILTINS = (bool, int, float, str, bytes, list, tuple, set, frozenset, dict)


class NotEncodable(TypeError):
    """A value that has no exact JSON form."""


def encode(value: Any, tensors: list[Array]) -> Any:
    """The JSON form of `value`; arrays in it are appended to `tensors`.

    Raises:
        NotEncodable: `value` holds something that is neither data nor an array.
    """
    if (
        isinstance(value, _BUILTINS)
        and type(value) not in _BUILTINS
        and not isinstance(value, np.generic)
    ):
        raise NotEncodable(_name(value))
    match value:
        case None | bool() | str():
            return value
        case np.generic():
            return {"$scalar": [dtype_name(value.dtype), value.tobytes().hex()]}
        case int():
            return int(value)
        case float():
            return value if math.isfinite(value) else {"$float": repr(value)}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case list():
            return [encode(item, tensors) for item in value]
        case tuple():
            return {"$tuple": [encode(item, tensors) for item in value]}
        case set() | frozenset():
            tag = "$set" if isinstance(value, set) else "$frozenset"
            return {tag: [encode(item, tensors) for item in sorted(value, key=repr)]}
        case dict():
            return _encode_dict(value, tensors)
    return {"$array": _append(_as_array(value), tensors)}


def encode_held(arrays: Sequence[Array], tensors: list[Array]) -> Any:
    """What `encode` makes of a list of arrays, without a copy: nobody changes them in place."""
    return [{"$array": _append(array, tensors)} for array in arrays]


def _encode_dict(value: dict[Any, Any], tensors: list[Array]) -> dict[str, Any]:
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: encode(item, tensors) for key, item in value.items()}
    return {"$dict": [[encode(k, tensors), encode(v, tensors)] for k, v in value.items()]}


def _as_array(value: Any) -> Array:
    """Arrays and eager tensors by their own conversion; nothing else has an exact form."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        never_changes = value.flags.owndata and not value.flags.writeable
        return value if never_changes else value.copy()
    if hasattr(value, "numpy") and hasattr(value, "dtype") and not hasattr(value, "assign"):
        return np.asarray(value.numpy())
    raise NotEncodable(_name(value))


def _name(value: Any) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def _append(array: Array, tensors: list[Array]) -> int:
    tensors.append(array)
    return len(tensors) - 1


def decode(document: Any, tensors: Sequence[Array]) -> Any:
    """The value that `encode` made `document` of."""
    if isinstance(document, list):
        return [decode(item, tensors) for item in document]
    if not isinstance(document, dict):
        return document
    if len(document) == 1:
        (key, inner), *_ = document.items()
        if key in _DECODERS:
            return _DECODERS[key](inner, tensors)
    return {key: decode(item, tensors) for key, item in document.items()}


_DECODERS: dict[str, Callable[[Any, Sequence[Array]], Any]] = {
    "$scalar": lambda inner, _: np.frombuffer(bytes.fromhex(inner[1]), dtype_of(inner[0]))[0],
    "$array": lambda inner, tensors: np.array(tensors[inner]),
    "$float": lambda inner, _: float(inner),
    "$bytes": lambda inner, _: base64.b64decode(inner),
    "$tuple": lambda inner, tensors: tuple(decode(item, tensors) for item in inner),
    "$set": lambda inner, tensors: {decode(item, tensors) for item in inner},
    "$frozenset": lambda inner, tensors: frozenset(decode(item, tensors) for item in inner),
    "$dict": lambda inner, tensors: {decode(k, tensors): decode(v, tensors) for k, v in inner},
}
