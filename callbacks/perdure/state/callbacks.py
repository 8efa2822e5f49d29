"""The state of callbacks: `get_state`/`set_state` where a callback has them, else its attributes.

An attribute that is an argument of the callback's `__init__`, or belongs to its class, is the program's: where
the program has given it another value since, that one is in force.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from perdure.errors import Refused
from perdure.state.codec import Array, Decoder, Encoder, Form
from perdure.state.keras_values import NEVER_CHANGE, Tensors, Variables
from perdure.state.objects import AsMade, Classes, Members, Objects, Random
from perdure.state.plain import NotEncodable, NotPlaceable, name_of_type

OnSkip = Callable[[str, str], None]
"""Called with the name of an attribute and what it is, or what is amiss with it."""
Saved = Callable[[], frozenset[int]]

_NOT_STATE = frozenset({"_model", "model", "params", "_params", "validation_data"})
_MONITORED = frozenset({"monitor", "mode"})


class _Forms:
    """The forms of what one callback keeps."""

    def __init__(self, callback: Any, on_skip: OnSkip, saved: Saved = frozenset) -> None:
        model = getattr(callback, "model", None)
        as_made = AsMade(NEVER_CHANGE, [callback] if model is None else [callback, model])
        classes = Classes(callback)
        nested = _Nested(as_made, on_skip)
        self.all: list[Form] = [
            as_made, nested, Variables(saved), Tensors(), Random(), Members(classes),
            Objects(classes, as_made),
        ]  # fmt: skip


class _Nested:
    """Callbacks inside of callbacks."""

    tag = "$callback"

    def __init__(self, as_made: AsMade, on_skip: OnSkip) -> None:
        self._as_made = as_made
        self._on_skip = on_skip

    def fits(self, value: Any) -> bool:
        """Whether `value` is a callback."""
        return isinstance(value, keras.callbacks.Callback)

    def encode(self, value: Any, encode: Encoder) -> Any:
        """Its name and state."""
        with self._as_made.inside(value):
            on_skip = functools.partial(self._skip, type(value).__name__)
            return [name_of(value), _captured(value, encode, on_skip)]

    def decode(self, document: Any, present: Any, decode: Decoder) -> Any:
        """The one that is present, with its state."""
        name, state = document
        if name_of(present) != name:
            raise NotPlaceable(f"a callback {name}, which is not there")
        on_skip = functools.partial(self._skip, type(present).__name__)
        _put_back(present, state, decode, on_skip, frozenset())
        return present

    def _skip(self, name: str, attribute: str, what: str) -> None:
        self._on_skip(f"{name}.{attribute}", what)


def capture(
    callback: Any, tensors: list[Array], on_skip: OnSkip, saved: Saved = frozenset
) -> dict[str, Any]:
    """The JSON form of `callback`'s state; `on_skip(attribute, what)` names what has no such form.

    `saved` gives the identities of the variables that are saved with the models.

    Raises:
        Refused: its `get_state` gives something that has none.
    """
    encode = Encoder(tensors, _Forms(callback, on_skip, saved).all)
    return _captured(callback, encode, on_skip)


def _captured(callback: Any, encode: Encoder, on_skip: OnSkip) -> dict[str, Any]:
    if has_protocol(callback):
        return {"state": _protocol_state(callback, encode)}
    own = {name: value for name, value in vars(callback).items() if name not in _NOT_STATE}
    document: dict[str, Any] = {
        "attributes": _encoded(callback, own, encode, on_skip),
        "class": _encoded(callback, _of_class(callback), encode, on_skip),
    }
    if getattr(callback, "monitor_op", None) is not None:
        document["monitor_op"] = True
    return document


def _encoded(
    callback: Any, values: dict[str, Any], encode: Encoder, on_skip: OnSkip
) -> dict[str, Any]:
    encoded = {}
    for name, value in values.items():
        try:
            is_held = name == "best_weights" and _makes_weights_anew(callback, value)
            encoded[name] = [encode.array(each) for each in value] if is_held else encode(value)
        except NotEncodable as error:
            on_skip(name, f"is {error}, which is not saved")
        except RecursionError:
            on_skip(name, f"is {name_of_type(value)} that holds itself, which is not saved")
    return encoded


def _protocol_state(callback: Any, encode: Encoder) -> Any:
    try:
        return encode(callback.get_state())
    except NotEncodable as error:
        raise Refused(
            f"callback {name_of(callback)}: expected get_state() to give numbers, strings, lists, dicts "
            f"and arrays. Received: {error} in it. Give its contents instead."
        ) from error


def restore(
    callback: Any,
    document: dict[str, Any],
    tensors: Sequence[Array],
    on_skip: OnSkip,
    changed: Collection[str] = (),
) -> None:
    """Give `callback` the state that `capture` took, but for the arguments that have `changed` since;
    `on_skip(attribute, what)` names what could not be put back.
    """
    if not begins_anew(callback, changed):
        decode = Decoder(tensors, _Forms(callback, on_skip).all)
        _put_back(callback, document, decode, on_skip, changed)


def begins_anew(callback: Any, changed: Collection[str]) -> bool:
    """Whether a callback of Keras monitors something else now, so that what it had counted means nothing."""
    return hasattr(callback, "monitor_op") and not _MONITORED.isdisjoint(changed)


def _put_back(
    callback: Any,
    document: dict[str, Any],
    decode: Decoder,
    on_skip: OnSkip,
    changed: Collection[str],
) -> None:
    if "state" in document:
        callback.set_state(decode(document["state"]))
        return
    # Keras chooses a monitor's operator lazily and flips the sign of min_delta as it does; choosing it
    # before min_delta is put back keeps it from being flipped a second time.
    if document.get("monitor_op") and callback.monitor_op is None:
        callback._set_monitor_op()
    for target, part in ((callback, "attributes"), (type(callback), "class")):
        for name, saved in document.get(part, {}).items():
            if name not in changed:
                _put_back_one(target, name, saved, decode, on_skip)


def _put_back_one(target: Any, name: str, saved: Any, decode: Decoder, on_skip: OnSkip) -> None:
    present = getattr(target, name, None)
    try:
        value = decode(saved, present)
    except NotPlaceable as error:
        on_skip(name, f"was {error}, and was not put back")
        return
    if value is not present:
        setattr(target, name, value)


def given(callback: Any) -> dict[str, str]:
    """What the program has given `callback`, before anything of a fit has changed it: the attributes
    called as arguments of its `__init__` (or with a `_` before) and those of its class, as JSON. Arrays and
    what has no JSON form are left out.
    """
    if has_protocol(callback):
        return {}
    cls: Any = type(callback)
    names = _arguments(cls)
    own = {name: value for name, value in vars(callback).items() if name.lstrip("_") in names}
    texts = {name: _text(callback, value) for name, value in {**_of_class(callback), **own}.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _text(callback: Any, value: Any) -> str | None:
    if isinstance(value, np.ndarray | keras.callbacks.Callback):
        return None
    tensors: list[Array] = []
    encode = Encoder(tensors, _Forms(callback, lambda _name, _what: None).all)
    try:
        text = json.dumps(encode(value))
    except (NotEncodable, RecursionError):
        return None
    return None if tensors else text


@functools.cache
def _arguments(cls: Any) -> frozenset[str]:
    """The names of the arguments of `__init__`, in `cls` and what it is derived from."""
    made = [each.__dict__["__init__"] for each in cls.__mro__[:-1] if "__init__" in vars(each)]
    return frozenset(name for init in made for name in inspect.signature(init).parameters)


def _of_class(callback: Any) -> dict[str, Any]:
    """Data that the callback's own classes hold and no attribute of its own hides."""
    values = dict(_data_of(type(callback)))
    return {name: value for name, value in values.items() if name not in vars(callback)}


def _data_of(cls: type) -> Iterator[tuple[str, Any]]:
    for base in reversed(cls.__mro__):
        if base is object or base.__module__.split(".")[0] == "keras":
            continue
        for name, value in vars(base).items():
            is_code = isinstance(value, NEVER_CHANGE) or hasattr(type(value), "__get__")
            if not (is_code or name.startswith("__") or name in _ANNOTATIONS):
                yield name, value


_ANNOTATIONS = frozenset({"_abc_impl"})


def changes(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """The names that the program gives another value than `before`, each with how to say it: values that
    are no numbers are not shown, for they may be secret.
    """
    names = [name for name in before.keys() & now.keys() if before[name] != now[name]]
    return {name: f"{name}{_numbers(before[name], now[name])}" for name in sorted(names)}


def _numbers(before: str, now: str) -> str:
    values = [json.loads(text) for text in (before, now)]
    is_shown = all(value is None or isinstance(value, int | float) for value in values)
    return f" ({before} -> {now})" if is_shown else ""


def _makes_weights_anew(callback: Any, weights: Any) -> bool:
    """Whether no array of `weights` is ever written: Keras' EarlyStopping replaces the whole list by new
    arrays (read in Keras 3.12 and 3.15), which may be as large as the model.
    """
    is_keras = type(callback) is keras.callbacks.EarlyStopping
    return is_keras and isinstance(weights, list) and all(type(w) is np.ndarray for w in weights)


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
