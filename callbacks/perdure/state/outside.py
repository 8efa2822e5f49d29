"""What a callback's functions change outside of it: closure variables and globals, which nothing saves."""

from __future__ import annotations

import functools
import io
import json
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from perdure.lineage.digest import digest, digest_of
from perdure.state.codec import Array, Encoder
from perdure.state.objects import Random
from perdure.state.plain import NotEncodable

MOST_ITEMS = 1000
MOST_BYTES = 100_000  # of an array, to be told from what it was

Read = Callable[[], Any]


class Outside:
    """The variables that the functions of one callback refer to, as they were when a fit began."""

    def __init__(self, callback: Any) -> None:
        saved = [each for each in vars(callback).values() if isinstance(each, list | dict | set)]
        found = [(name, read, _read(read)) for name, read in _reached(callback)]
        self._watched = [
            (name, read, _told(value))
            for name, read, value in found
            if _may_change(value) and not any(value is each for each in saved)
        ]

    def take_changed(self) -> list[str]:
        """The names of those that have changed or are iterators, each once."""
        changed = [each for each in self._watched if _has_changed(*each[1:])]
        if changed:
            self._watched = [each for each in self._watched if each not in changed]
        return sorted({name for name, _, _ in changed})


def _has_changed(read: Read, before: str | None) -> bool:
    value = _read(read)
    return isinstance(value, Iterator) or _told(value) != before


def _read(read: Read) -> Any:
    """The value of a variable; of one that is not assigned yet, None."""
    try:
        return read()
    except ValueError:  # an empty cell
        return None


_PLAIN = (type(None), bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset)


def _may_change(value: Any) -> bool:
    """Whether `value` is data, or counts on by itself."""
    kinds = (*_PLAIN, np.ndarray, np.generic, Iterator)
    is_file = isinstance(value, io.IOBase)
    return (isinstance(value, kinds) and not is_file) or Random().fits(value)


def _told(value: Any) -> str | None:
    """What tells `value` from another one; None for what is too large for that, or no data."""
    tensors: list[Array] = []
    try:
        if not _is_small(value):
            return None
        text = json.dumps(Encoder(tensors, [Random()])(value))
    except (NotEncodable, RecursionError):
        return None
    return digest_of([text, *(digest(array.tobytes()) for array in tensors)])


def _is_small(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.nbytes <= MOST_BYTES
    if isinstance(value, dict):
        return len(value) <= MOST_ITEMS and all(map(_is_small, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return len(value) <= MOST_ITEMS and all(map(_is_small, value))
    return not isinstance(value, str | bytes | bytearray) or len(value) <= MOST_BYTES


def _reached(callback: Any) -> Iterator[tuple[str, Read]]:
    """Name and value of each variable that a function of `callback` refers to, or one that it calls."""
    waiting, seen = list(_functions(callback)), set[int]()
    while waiting:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        for name, read in _variables(function):
            value = _read(read)
            if isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
                waiting.append(value)
            yield name, read


def _functions(callback: Any) -> Iterator[types.FunctionType]:
    """Those that are its attributes, and the methods of its own classes."""
    values = list(vars(callback).values())
    for cls in type(callback).__mro__[:-1]:
        if cls.__module__.split(".")[0] != "keras":
            values += vars(cls).values()
    functions = map(_bare, values)
    yield from (each for each in functions if isinstance(each, types.FunctionType))


def _bare(value: Any) -> Any:
    """The function itself, out of what is around it."""
    while True:
        if isinstance(value, functools.partial):
            value = value.func
        elif isinstance(value, types.MethodType | staticmethod | classmethod):
            value = value.__func__
        elif isinstance(value, types.FunctionType) and hasattr(value, "__wrapped__"):
            value = value.__wrapped__
        else:
            return value


def _variables(function: types.FunctionType) -> Iterator[tuple[str, Read]]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        yield name, functools.partial(getattr, cell, "cell_contents")
    space = function.__globals__
    for name in _names(function.__code__):
        if name in space:
            yield name, functools.partial(space.get, name)


def _names(code: types.CodeType) -> Iterator[str]:
    """The names that `code` and the functions in it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
