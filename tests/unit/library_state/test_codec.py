"""Values come back exactly, or are refused when they are taken."""

from __future__ import annotations

import json
import math
import random
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import ml_dtypes
import numpy as np
import pytest

from perdure.state.codec import Decoder, decode, encode
from perdure.state.plain import NotEncodable, NotPlaceable


def through_json(value: Any) -> Any:
    """Encode, store as strict JSON with sorted keys as records are, and decode."""
    tensors: list[Any] = []
    text = json.dumps(encode(value, tensors), allow_nan=False, sort_keys=True)
    return decode(json.loads(text), tensors)


def same(ours: Any, theirs: Any) -> bool:
    """Equal in type and bits, all the way down."""
    if type(ours) is not type(theirs):
        return False
    match theirs:
        case np.ndarray() | np.generic():
            return (ours.dtype, ours.shape, ours.tobytes()) == (
                theirs.dtype,
                theirs.shape,
                theirs.tobytes(),
            )
        case float():
            return ours.hex() == theirs.hex()
        case complex():
            return repr(ours) == repr(theirs)
        case list() | tuple() | deque():
            return len(ours) == len(theirs) and all(map(same, ours, theirs))
        case dict():
            return same([*ours.items()], [*theirs.items()])
    return bool(ours == theirs)


VALUES = {
    "None": None,
    "bool": [True, False],
    "integers": [0, -1, 2**31, 2**63, -(2**100)],
    "floats": [0.1, 1 / 3, 5e-324, 1.7976931348623157e308],
    "zeros": [0.0, -0.0, 0],
    "infinite": [math.inf, -math.inf],
    "NaN": math.nan,
    "text": ["", "größe 😀", "\x00\n", "\udc80"],
    "bytes": [b"", bytes(range(256))],
    "tuple": (),
    "nested tuples": ((1, (2.0, None)), [(3,)]),
    "set": {1, 2, 3},
    "empty set": set(),
    "set of tuples": {(1, 2), ("a", math.inf)},
    "frozenset": frozenset({"a", "b"}),
    "set of sets": {frozenset({1}), frozenset()},
    "dict": {"b": 1, "a": {"c": [1]}},
    "complex": [1j, complex(math.nan, -0.0), complex(math.inf, 1)],
    "range": range(7, 1, -2),
    "bytearray": bytearray(b"a"),
    "deque": deque([1, deque([2])], 4),
    "counter": Counter({"a": 2, 3: -1}),
    "ordered": OrderedDict(b=1, a=2),
    "default of a builtin type": defaultdict(list, {1: [2]}),
    "times": [datetime(2026, 1, 2, 3, 4, 5, 6), datetime(2026, 1, 2, tzinfo=UTC), date(1, 2, 3),
              time(4, 5), timedelta(-1, 2, 3)],
    "path": Path("a/b"),
    "empty dict": {},
    "integer keys": {1: "a", -2: "b"},
    "mixed keys": {1: "a", "1": "b", None: "c", (1, 2): "d", True + 1: "e", 0.5: "f"},
    "keys that look like ours": {"$float": "nan"},
    "two keys that look like ours": {"$array": 0, "$tuple": []},
    "nested look-alike": {"a": {"$set": [1]}, "$": 1},
    "numpy scalars": [np.float32(0.1), np.int64(-1), np.bool_(True), np.float64(math.nan)],
    "bfloat16 scalar": ml_dtypes.bfloat16(1.5),
    "numpy text": [np.datetime64("2026-01-02")],
    "array": np.arange(6, dtype=np.int8).reshape(2, 3),
    "0-d array": np.array(-0.0, np.float16),
    "empty array": np.zeros((2, 0), bool),
    "bfloat16": np.array([1, 2], ml_dtypes.bfloat16),
    "weights": {"best_weights": [np.eye(2, dtype=np.float32), np.zeros(3)], "wait": 2},
    "Python's random stream": random.Random(1).getstate(),
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_round_trip(value):
    assert same(through_json(value), value)


def test_round_trip_of_all_together():
    assert same(through_json(VALUES), VALUES)


PRESENT = {
    "list": ([1, 2], [7]),
    "dict": ({"a": 1}, {"b": 2}),
    "dict with other keys": ({1: 2}, {}),
    "set": ({1}, {2}),
    "deque": (deque([1], 3), deque([5, 6], 3)),
    "counter": (Counter(a=2), Counter(a=7, b=1)),
    "defaultdict": (defaultdict(lambda: 5, a=1), defaultdict(lambda: 6)),
    "inner list": ({"a": [1]}, {"a": [2]}),
}


@pytest.mark.parametrize(("value", "present"), PRESENT.values(), ids=PRESENT.keys())
def test_what_is_present_is_filled(value, present):
    """Whoever else holds it sees the value too."""
    inner = present.get("a") if isinstance(present, dict) else None
    document = json.loads(json.dumps(encode(value, [])))
    assert Decoder([])(document, present) is present
    assert present == value
    assert not isinstance(inner, list) or present["a"] is inner


def test_a_default_that_is_no_builtin_type_has_to_be_there():
    document = encode(defaultdict(lambda: 5, a=1), [])
    with pytest.raises(NotPlaceable, match="defaultdict"):
        decode(document, [])


def test_order_of_a_dict_stays():
    value = {"b": 1, "a": 2, "c": {"z": 1, "y": 2}}
    assert json.dumps(through_json(value)) == json.dumps(value)


def test_sets_have_one_encoding():
    numbers = range(0, 8000, 8)  # which collide in a set's table, so order follows insertion
    falling = {*numbers[::-1]}
    assert [*falling] != [*{*numbers}]
    assert encode(falling, []) == encode({*numbers}, [])


def test_arrays_are_copied_when_they_are_taken():
    array, tensors = np.zeros(3), []
    document = encode({"a": array}, tensors)
    array += 1
    assert decode(document, tensors)["a"].tolist() == [0, 0, 0]


def test_decoded_arrays_may_be_written_and_are_no_views():
    tensors: list[Any] = [np.frombuffer(b"\0" * 8, np.int64)]
    decode({"$array": 0}, tensors)[0] = 7
    assert tensors[0][0] == 0


def test_what_has_numpy_and_dtype_is_an_array():
    class Eager:
        dtype = "float32"

        def numpy(self) -> Any:
            return np.float32([1, 2])

    assert same(through_json(Eager()), np.float32([1, 2]))


class Variable:
    """Like a tf.Variable: its value changes, so it is no data."""

    dtype = "float32"
    numpy = assign = None


NOT_DATA = {
    "function": len,
    "object": object(),
    "lock": threading.Lock(),
    "class": dict,
    "generator": (n for n in ()),
    "array with a mask": np.ma.array([1, 2], mask=[0, 1]),
    "array of rows": np.zeros(2, [("a", "i4")]),
    "time in a named zone": datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
    "derived list": type("Mine", (list,), {})(),
    "array of objects": np.array([object()]),
    "variable": Variable(),
}


@pytest.mark.parametrize("value", NOT_DATA.values(), ids=NOT_DATA.keys())
@pytest.mark.parametrize(
    "inside",
    [lambda v: v, lambda v: [1, v], lambda v: ({"a": v},), lambda v: {1: v}],
    ids=["bare", "list", "nested", "dict"],
)
def test_what_is_no_data_is_refused_and_named(value, inside):
    with pytest.raises(NotEncodable, match=f"^a .*{type(value).__name__}$"):
        encode(inside(value), [])
