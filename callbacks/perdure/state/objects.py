"""What callbacks keep beside plain data: random generators, enum members, objects of the user's own classes.

Such an object is put back into the one that is in its place. Where there is none it is made without its
`__init__`, and only if its class is the user's own: a checkpoint names no other code to use.
"""

from __future__ import annotations

import argparse
import functools
import logging
import random
import sys
import sysconfig
import threading
import types
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from perdure.state.codec import Decoder, Encoder
from perdure.state.plain import NotEncodable, NotPlaceable, name_of_type

FUNCTIONS = (
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial, np.ufunc,
)  # fmt: skip
AS_MADE = (
    *FUNCTIONS, type, types.ModuleType, logging.Logger, weakref.ref, np.dtype,
    type(threading.Lock()), type(threading.RLock()), type(NotImplemented), type(...),
)  # fmt: skip
"""What holds no state of a training: it is what the callback's own code makes of it in each process."""


class AsMade:
    """What is left as the process has it: code, and an object that is inside of itself."""

    tag = "$as_made"

    def __init__(self, kinds: tuple[type, ...] = AS_MADE, objects: Iterable[Any] = ()) -> None:
        self._kinds = kinds
        self._objects = [id(each) for each in objects]

    def fits(self, value: Any) -> bool:
        """Whether `value` is left alone."""
        return isinstance(value, self._kinds) or id(value) in self._objects

    def encode(self, value: Any, encode: Encoder) -> str:
        """Its type, for a message."""
        return name_of_type(value)

    def decode(self, document: str, present: Any, decode: Decoder) -> Any:
        """What is present."""
        if present is None:
            raise NotPlaceable(f"{document}, which the callback has not made again")
        return present

    @contextmanager
    def inside(self, value: Any) -> Iterator[None]:
        """While `value` is being encoded a reference to it is left alone."""
        self._objects.append(id(value))
        try:
            yield
        finally:
            self._objects.pop()


class Random:
    """Generators of random numbers, with where they stand."""

    tag = "$random"
    _KINDS: dict[str, Any] = {
        "python": random.Random,
        "legacy": np.random.RandomState,
        "numpy": np.random.Generator,
    }
    _BITS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")

    def fits(self, value: Any) -> bool:
        """Whether `value` is a generator."""
        return type(value) in self._KINDS.values()

    def encode(self, value: Any, encode: Encoder) -> Any:
        """Its kind and state."""
        kind = next(kind for kind, cls in self._KINDS.items() if type(value) is cls)
        if kind == "python":
            return [kind, encode(value.getstate())]
        state = value.get_state(legacy=False) if kind == "legacy" else value.bit_generator.state
        return [kind, encode(state)]

    def decode(self, document: Any, present: Any, decode: Decoder) -> Any:
        """The one that is present, or a new one, in that state."""
        kind, state = document[0], decode(document[1])
        if kind == "numpy":
            return self._generator(present, state)
        target = present if type(present) is self._KINDS[kind] else self._KINDS[kind]()
        (target.setstate if kind == "python" else target.set_state)(state)
        return target

    def _generator(self, present: Any, state: dict[str, Any]) -> Any:
        name = state["bit_generator"]
        if type(present) is not np.random.Generator or type(present.bit_generator).__name__ != name:
            if name not in self._BITS:
                raise NotPlaceable(f"a random generator of the kind {name}")
            present = np.random.Generator(getattr(np.random, name)())
        present.bit_generator.state = state
        return present


class Classes:
    """Which classes are the user's own: the script's, those of its folder, those beside the callback's."""

    def __init__(self, callback: Any) -> None:
        modules = {cls.__module__ for cls in type(callback).__mro__}
        self._packages = {module.split(".")[0] for module in modules} - _NOT_THE_USERS

    def are_users(self, cls: type) -> bool:
        """Whether `cls` is the user's own."""
        package = cls.__module__.split(".")[0]
        return package in self._packages or _is_beside_the_script(cls.__module__)

    def named(self, name: str, present: Any) -> type:
        """The class of `present` if it has that name, else the user's class of that name.

        Raises:
            NotPlaceable: there is none.
        """
        if name_of(type(present)) == name:
            return type(present)
        cls = _loaded(name)
        if cls is None or not self.are_users(cls):
            raise NotPlaceable(f"an object of {name}, a class that is not the script's own")
        return cls


_NOT_THE_USERS = frozenset({"builtins", "keras", "tensorflow", "perdure"})
_INSTALLED = [
    Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
]


@functools.cache
def _is_beside_the_script(module: str) -> bool:
    if module == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and not any(Path(file).is_relative_to(path) for path in _INSTALLED)


def name_of(cls: type) -> str:
    """The name by which a class is found again."""
    return f"{cls.__module__}:{cls.__qualname__}"


def _loaded(name: str) -> type | None:
    """The class of that name in a module that is loaded; nothing is imported for it."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


class Members:
    """Members of enumerations."""

    tag = "$member"

    def __init__(self, classes: Classes) -> None:
        self._classes = classes

    def fits(self, value: Any) -> bool:
        """Whether `value` is a member."""
        return isinstance(value, Enum)

    def encode(self, value: Any, encode: Encoder) -> list[str]:
        """Its class and name."""
        if value.name not in type(value).__members__:
            raise NotEncodable(f"a combination of {name_of_type(value)[2:]}")
        return [name_of(type(value)), value.name]

    def decode(self, document: list[str], present: Any, decode: Decoder) -> Any:
        """The member of that name."""
        cls: Any = self._classes.named(document[0], present)
        try:
            return cls[document[1]]
        except (KeyError, TypeError):
            raise NotPlaceable(f"{document[1]} of {document[0]}, which is not there") from None


class Objects:
    """Objects of the user's own classes that are no more than their attributes, and their items if they
    are derived from a builtin container. Dataclasses and named tuples are such.
    """

    tag = "$object"

    def __init__(self, classes: Classes, as_made: AsMade) -> None:
        self._classes = classes
        self._as_made = as_made

    def fits(self, value: Any) -> bool:
        """Whether `value` is such an object."""
        cls = type(value)
        return _has_only_attributes(cls) and (
            cls is argparse.Namespace or self._classes.are_users(cls)
        )

    def encode(self, value: Any, encode: Encoder) -> Any:
        """Its class, what it is made from, attributes and items."""
        arguments, attributes, slots, items, pairs = _taken_apart(value)
        if _loaded(name_of(type(value))) is not type(value):
            raise NotEncodable(f"{name_of_type(value)}, a class that is not found by its name")
        with self._as_made.inside(value):
            return [
                name_of(type(value)),
                [encode(argument) for argument in arguments],
                {name: encode(item) for name, item in attributes.items()},
                {name: encode(item) for name, item in slots.items()},
                None if items is None else [encode(item) for item in items],
                None if pairs is None else [[encode(key), encode(item)] for key, item in pairs],
            ]

    def decode(self, document: Any, present: Any, decode: Decoder) -> Any:
        """The one that is present, or a new one, with the attributes and items."""
        name, arguments, attributes, slots, items, pairs = document
        cls: Any = self._classes.named(name, present)
        if not _has_only_attributes(cls):
            raise NotPlaceable(f"an object of {name}, which is more than its attributes")
        stays = type(present) is cls and not arguments
        target = present if stays else cls.__new__(cls, *map(decode, arguments))
        for key in [key for key in getattr(target, "__dict__", ()) if key not in attributes]:
            del vars(target)[key]
        for key, item in attributes.items():
            vars(target)[key] = decode(item, vars(target).get(key))
        for key, item in slots.items():
            object.__setattr__(target, key, decode(item, getattr(target, key, None)))
        if items is not None:
            list.clear(target)
            list.extend(target, map(decode, items))
        if pairs is not None:
            dict.clear(target)
            dict.update(target, {decode(key): decode(item) for key, item in pairs})
        return target


def _has_only_attributes(cls: type) -> bool:
    """Whether `cls` leaves it to Python what its objects consist of."""
    same = ("__reduce_ex__", "__reduce__", "__getstate__")
    own = ("__setstate__", "__getnewargs_ex__")
    is_plain = all(getattr(cls, name) is getattr(object, name) for name in same)
    return is_plain and not any(hasattr(cls, name) for name in own)


def _taken_apart(value: Any) -> tuple[Any, dict[str, Any], dict[str, Any], Any, Any]:
    """Arguments of `__new__`, attributes, slots, items of a list, items of a dict.

    Python itself takes it apart, and refuses what has parts that only C code knows.
    """
    try:
        _, (_, *arguments), state, items, pairs = value.__reduce_ex__(2)
    except TypeError as error:
        raise NotEncodable(f"{name_of_type(value)}, with parts that Python cannot see") from error
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    return arguments, attributes or {}, slots or {}, items, pairs
