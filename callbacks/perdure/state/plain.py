"""The JSON forms of Python's own types, by the exact type: what is derived from one may hold more."""

from __future__ import annotations

import base64
import builtins
import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import repeat
from pathlib import Path, PosixPath
from typing import Any

import numpy as np

from perdure.lineage.dtypes import dtype_of

Encode = Callable[[Any], Any]
Decode = Callable[..., Any]
"""Takes a document and what is in its place now."""


class NotEncodable(TypeError):
    """A value that has no exact JSON form; the message says what it is."""


class NotPlaceable(TypeError):
    """A value that cannot be put back into this process; the message says why."""


def name_of_type(value: Any) -> str:
    """What `value` is, for a sentence."""
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def _is_key(key: Any) -> bool:
    return type(key) is str and not key.startswith("$")


def _encode_dict(value: dict[Any, Any], encode: Encode) -> dict[str, Any]:
    """In JSON the order of an object's keys means nothing, and records have them sorted."""
    if all(map(_is_key, value)) and [*value] == sorted(value):
        return {key: encode(item) for key, item in value.items()}
    return {"$dict": _pairs(value, encode)}


def _pairs(value: dict[Any, Any], encode: Encode) -> list[Any]:
    return [[encode(key), encode(item)] for key, item in value.items()]


def _each(items: Iterable[Any], encode: Encode) -> list[Any]:
    return [encode(item) for item in items]


def _same(value: Any, _encode: Encode) -> Any:
    return value


def _encode_defaultdict(value: defaultdict[Any, Any], encode: Encode) -> dict[str, Any]:
    """With its factory where that is a builtin type; another one has to be there already."""
    factory = value.default_factory
    name = factory.__name__ if isinstance(factory, type) and factory in _FACTORIES else None
    return {"$defaultdict": [name, _pairs(value, encode)]}


_FACTORIES = (int, float, str, list, dict, set, tuple, bool)

ENCODERS: dict[type, Callable[[Any, Encode], Any]] = {
    type(None): _same,
    bool: _same,
    str: _same,
    int: _same,
    float: lambda value, _: value if math.isfinite(value) else {"$float": repr(value)},
    complex: lambda value, encode: {"$complex": [encode(value.real), encode(value.imag)]},
    bytes: lambda value, _: {"$bytes": base64.b64encode(value).decode()},
    bytearray: lambda value, _: {"$bytearray": base64.b64encode(value).decode()},
    range: lambda value, _: {"$range": [value.start, value.stop, value.step]},
    list: _each,
    tuple: lambda value, encode: {"$tuple": _each(value, encode)},
    set: lambda value, encode: {"$set": _each(sorted(value, key=repr), encode)},
    frozenset: lambda value, encode: {"$frozenset": _each(sorted(value, key=repr), encode)},
    deque: lambda value, encode: {"$deque": [_each(value, encode), value.maxlen]},
    dict: _encode_dict,
    Counter: lambda value, encode: {"$counter": _pairs(value, encode)},
    OrderedDict: lambda value, encode: {"$ordered": _pairs(value, encode)},
    defaultdict: _encode_defaultdict,
    datetime: lambda value, _: _encode_time(value),
    date: lambda value, _: {"$date": value.isoformat()},
    time: lambda value, _: _encode_time(value),
    timedelta: lambda value, _: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    PosixPath: lambda value, _: {"$path": str(value)},
}


def _encode_time(value: datetime | time) -> dict[str, str]:
    """Without a zone or with a fixed offset; a zone's name is not in its ISO form."""
    zone = value.tzinfo
    if zone is not None and type(zone).__module__ != "datetime":
        raise NotEncodable(name_of_type(value))
    return {"$datetime" if isinstance(value, datetime) else "$time": value.isoformat()}


def put_back(documents: list[Any], present: Any, decode: Decode) -> list[Any]:
    """The values of `documents`, each put back to where the one of its place is."""
    is_alike = isinstance(present, list | tuple) and len(present) == len(documents)
    beside = present if is_alike else repeat(None)
    return [decode(document, item) for document, item in zip(documents, beside, strict=False)]


def filled(present: Any, kind: Any, items: Any) -> Any:
    """`present` with `items` as its content if it is exactly a `kind`, else a new `kind`."""
    if type(present) is not kind:
        return items if type(items) is kind else kind(items)
    present.clear()
    (present.extend if hasattr(present, "extend") else present.update)(items)
    return present


def decode_pairs(pairs: Iterable[Any], present: Any, decode: Decode, kind: type) -> Any:
    """A dict of `kind` with `pairs`, whose keys are values already."""
    beside = present if isinstance(present, dict) else {}
    return filled(present, kind, {key: decode(item, beside.get(key)) for key, item in pairs})


def _keyed(pairs: Iterable[Any], decode: Decode) -> Iterator[tuple[Any, Any]]:
    return ((decode(key), item) for key, item in pairs)


def _decode_deque(inner: Any, present: Any, decode: Decode) -> Any:
    items, most = inner
    values = [decode(item) for item in items]
    if type(present) is deque and present.maxlen == most:
        return filled(present, deque, values)
    return deque(values, most)


def _decode_defaultdict(inner: Any, present: Any, decode: Decode) -> Any:
    name, pairs = inner
    if type(present) is not defaultdict:
        if name is None:
            raise NotPlaceable("a defaultdict whose default the callback has not made again")
        present = defaultdict(getattr(builtins, name))
    return decode_pairs(_keyed(pairs, decode), present, decode, defaultdict)


DECODERS: dict[str, Callable[[Any, Any, Decode], Any]] = {
    "$scalar": lambda inner, _, __: np.frombuffer(bytes.fromhex(inner[1]), dtype_of(inner[0]))[0],
    "$float": lambda inner, _, __: float(inner),
    "$complex": lambda inner, _, decode: complex(*map(decode, inner)),
    "$bytes": lambda inner, _, __: base64.b64decode(inner),
    "$bytearray": lambda inner, present, _: filled(
        present, bytearray, bytearray(base64.b64decode(inner))
    ),
    "$range": lambda inner, _, __: range(*inner),
    "$tuple": lambda inner, present, decode: tuple(put_back(inner, present, decode)),
    "$set": lambda inner, present, decode: filled(present, set, {decode(i) for i in inner}),
    "$frozenset": lambda inner, _, decode: frozenset(decode(item) for item in inner),
    "$deque": _decode_deque,
    "$dict": lambda inner, present, decode: decode_pairs(
        _keyed(inner, decode), present, decode, dict
    ),
    "$counter": lambda inner, present, decode: decode_pairs(
        _keyed(inner, decode), present, decode, Counter
    ),
    "$ordered": lambda inner, present, decode: decode_pairs(
        _keyed(inner, decode), present, decode, OrderedDict
    ),
    "$defaultdict": _decode_defaultdict,
    "$datetime": lambda inner, _, __: datetime.fromisoformat(inner),
    "$date": lambda inner, _, __: date.fromisoformat(inner),
    "$time": lambda inner, _, __: time.fromisoformat(inner),
    "$timedelta": lambda inner, _, __: timedelta(*inner),
    "$path": lambda inner, _, __: Path(inner),
}
