"""The state of callbacks: `get_state`/`set_state` where a callback has them, else its attributes.

Not captured are attributes that are no data (models, open files, functions): they are what the
callback's own `__init__` and `on_train_begin` made of them in this process.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from perdure.state.codec import Array, NotEncodable, decode, encode, encode_held

_CODE = (
    type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial,
)  # fmt: skip
_NOT_STATE = frozenset({"_model", "model", "params", "_params", "validation_data"})


def capture(
    callback: Any, tensors: list[Array], on_skip: Callable[[str, str], None]
) -> dict[str, Any]:
    """The JSON form of `callback`'s state; `on_skip(attribute, what)` names what has no such form."""
    if has_protocol(callback):
        return {"state": encode(callback.get_state(), tensors)}
    attributes = {}
    for name, value in vars(callback).items():
        if name in _NOT_STATE or isinstance(value, _CODE):
            continue
        try:
            is_held = name == "best_weights" and _makes_weights_anew(callback, value)
            attributes[name] = (
                encode_held(value, tensors) if is_held else encode(_plain(value), tensors)
            )
        except NotEncodable as error:
            on_skip(name, str(error))
    document: dict[str, Any] = {"attributes": attributes}
    if getattr(callback, "monitor_op", None) is not None:
        document["monitor_op"] = True
    return document


def restore(callback: Any, document: dict[str, Any], tensors: Sequence[Array]) -> None:
    """Give `callback` the state that `capture` took."""
    if "state" in document:
        callback.set_state(decode(document["state"], tensors))
        return
    # Keras chooses a monitor's operator lazily and flips the sign of min_delta as it does; choosing it
    # before min_delta is put back keeps it from being flipped a second time.
    if document.get("monitor_op") and callback.monitor_op is None:
        callback._set_monitor_op()
    for name, value in document["attributes"].items():
        setattr(callback, name, _like(getattr(callback, name, None), decode(value, tensors)))


def _makes_weights_anew(callback: Any, weights: Any) -> bool:
    """Whether no array of `weights` is ever written: Keras' EarlyStopping replaces the whole list by new
    arrays (read in Keras 3.12 and 3.15), which may be as large as the model.
    """
    is_keras = type(callback) is keras.callbacks.EarlyStopping
    return is_keras and isinstance(weights, list) and all(type(w) is np.ndarray for w in weights)


_PLAIN: tuple[type, ...] = (dict, list, tuple, set, frozenset, str, int, float)


def _plain(value: Any) -> Any:
    """A value of a class derived from a builtin one, such as a defaultdict, as the builtin itself."""
    base = next((base for base in _PLAIN if isinstance(value, base)), None)
    return value if base is None or type(value) in (base, bool) else base(value)


def _like(present: Any, value: Any) -> Any:
    """`value` as an object of the derived class that the callback has there, if it has one."""
    base = type(value)
    if base not in _PLAIN or type(present) is base or not isinstance(present, base):
        return value
    if isinstance(present, dict | list):
        present.clear()
        (present.update if isinstance(present, dict) else present.extend)(value)
        return present
    make = type(present)
    return make(*value) if hasattr(present, "_fields") else make(value)


def has_protocol(callback: Any) -> bool:
    """Whether `callback` gives and takes its state itself."""
    return callable(getattr(callback, "get_state", None)) and callable(
        getattr(callback, "set_state", None)
    )


def name_of(callback: Any) -> str:
    """The name by which a callback is found again in the resumed process."""
    return f"{type(callback).__module__}.{type(callback).__qualname__}"


def pair(saved: Sequence[str], present: Sequence[str]) -> list[tuple[int, int]]:
    """Match saved states with present callbacks: the nth of a name with the nth of that name."""
    pairs, used = [], set()
    for i, name in enumerate(saved):
        for j, other in enumerate(present):
            if j not in used and other == name:
                pairs.append((i, j))
                used.add(j)
                break
    return pairs
