"""Objects with a state that is no variable: taken as plain data, and put back in place."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from perdure.state.codec import Array, encode
from perdure.state.plain import NotEncodable

_GENERATORS = (random.Random, np.random.Generator, np.random.RandomState)


def is_stateful(value: Any) -> bool:
    """Whether it is an object with a state of its own; a dict and a list are data."""
    has_protocol = callable(getattr(value, "get_state", None)) and callable(
        getattr(value, "set_state", None)
    )
    return isinstance(value, _GENERATORS) or (has_protocol and not isinstance(value, type))


def problem_of(value: Any) -> str | None:
    """Why the state of `value` cannot be saved, None if it can."""
    if not (is_stateful(value) or type(value) in (dict, list)):
        return f"a {type(value).__module__}.{type(value).__qualname__}"
    arrays: list[Array] = []
    try:
        encode(state_of(value), arrays)
    except NotEncodable as error:
        return f"whose state has {error}"
    return None


def state_of(value: Any) -> Any:
    """The state as plain data."""
    match value:
        case dict() | list():
            return value
        case np.random.Generator():
            return value.bit_generator.state
        case np.random.RandomState():
            return value.get_state(legacy=False)
        case random.Random():
            return value.getstate()
    return value.get_state()


def put_back(value: Any, state: Any) -> None:
    """Give `value` the state that `state_of` told."""
    match value:
        case dict():
            value.clear()
            value.update(state)
        case list():
            value[:] = state
        case np.random.Generator():
            value.bit_generator.state = state
        case random.Random():
            value.setstate(state)
        case _:
            value.set_state(state)
