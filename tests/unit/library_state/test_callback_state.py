"""The state of callbacks: by their own protocol, else their attributes that are data."""

from __future__ import annotations

import dataclasses
import enum
import json
import random
import re
import threading
from collections import defaultdict
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from perdure.errors import Refused
from perdure.state.callbacks import capture, changes, given, name_of, pair, restore
from perdure.state.variables import variables_of


class Plain:
    def __init__(self) -> None:
        self.count = 0
        self.best = None
        self.weights: list[Any] = []
        self.seen: tuple[int, ...] = ()
        self.model = self._model = object()
        self.params = {"epochs": 9}
        self.function = len
        self.file = object()


class WithProtocol(Plain):
    def get_state(self) -> dict[str, Any]:
        return {"count": self.count}

    def set_state(self, state: dict[str, Any]) -> None:
        self.count = state["count"] * 10


class WithHalfAProtocol(Plain):
    def get_state(self) -> dict[str, Any]:
        raise AssertionError


def transfer(source: Any, target: Any) -> list[tuple[str, str]]:
    """Capture, store as JSON, restore; gives what was skipped."""
    tensors: list[Any] = []
    skipped: list[tuple[str, str]] = []

    def on_skip(name: str, what: str) -> None:
        skipped.append((name, what))

    document = capture(source, tensors, on_skip)
    restore(target, json.loads(json.dumps(document, allow_nan=False)), tensors, on_skip)
    return skipped


@pytest.mark.parametrize("cls", [Plain, WithHalfAProtocol])
def test_attributes(cls):
    source, target = cls(), cls()
    source.count, source.best, source.seen = 3, float("nan"), (1, 2)
    source.weights = [np.float32([1, 2]), np.eye(2)]
    source.added_later = "yes"
    kept = target.model, target.params, target.function, target.file
    assert transfer(source, target) == [("file", "is a builtins.object, which is not saved")]
    assert (target.count, target.seen, target.added_later) == (3, (1, 2), "yes")
    assert np.isnan(target.best)
    assert [w.tolist() for w in target.weights] == [[1, 2], [[1, 0], [0, 1]]]
    assert (target.model, target.params, target.function, target.file) == kept


def test_the_captured_state_does_not_change_with_the_callback():
    source, tensors = Plain(), []
    source.weights = [np.zeros(2)]
    document = capture(source, tensors, lambda *_: None)
    source.weights[0] += 1
    source.weights.append(1)
    restore(target := Plain(), document, tensors, pytest.fail)
    assert [w.tolist() for w in target.weights] == [[0, 0]]


def test_protocol_is_preferred_to_attributes():
    source, target = WithProtocol(), WithProtocol()
    source.count, source.best = 3, 1.0
    assert transfer(source, target) == []
    assert (target.count, target.best) == (30, None)


def test_a_defaultdict_still_has_its_default():
    source, target = Plain(), Plain()
    source.counts, target.counts = defaultdict(int, a=1), defaultdict(int)
    transfer(source, target)
    assert target.counts["a"] == 1
    assert target.counts["b"] == 0


def test_name():
    assert name_of(WithProtocol()) == f"{__name__}.WithProtocol"


@pytest.mark.parametrize(
    ("saved", "present", "pairs"),
    [
        pytest.param([], [], [], id="none"),
        pytest.param(["a", "b"], ["a", "b"], [(0, 0), (1, 1)], id="the same"),
        pytest.param(["a", "b"], ["b", "a"], [(0, 1), (1, 0)], id="another order"),
        pytest.param(
            ["a", "a", "b"], ["a", "b", "a"], [(0, 0), (1, 2), (2, 1)], id="two of a name"
        ),
        pytest.param(["a", "a"], ["a"], [(0, 0)], id="one is gone"),
        pytest.param(["a"], ["a", "a"], [(0, 0)], id="one is new"),
        pytest.param(["a", "b"], ["c", "b"], [(1, 1)], id="one is another"),
    ],
)
def test_pair(saved, present, pairs):
    assert pair(saved, present) == pairs


class Phase(enum.Enum):
    FALLS = 1
    RISES = 2


@dataclasses.dataclass(frozen=True)
class Seen:
    loss: float
    where: list[int]


class Slotted:
    __slots__ = ("a", "b")


class Pair(NamedTuple):
    left: int
    right: list[int]


class Mine(dict):
    pass


class Meter:
    """With a reference to itself, and an attribute that comes later."""

    def __init__(self) -> None:
        self.total, self.owner = 0.0, self


def meter(total: float, **later: int) -> Meter:
    made = Meter()
    made.total = total
    vars(made).update(later)
    return made


def slotted(**values: int) -> Slotted:
    made = Slotted()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def told(value: Any) -> Any:
    """What there is to compare of an object."""
    match value:
        case Meter():
            return value.total, value.owner is value, len(vars(value))
        case Slotted():
            return {name: getattr(value, name) for name in ("a", "b") if hasattr(value, name)}
        case Mine():
            return dict(value), vars(value)
        case random.Random():
            return value.getstate()
        case np.random.Generator():
            return repr(value.bit_generator.state)
        case np.random.RandomState():
            return repr(value.get_state(legacy=False))
        case keras.callbacks.EarlyStopping():
            return value.wait, value.min_delta
    return value


def advanced(generator: Any) -> Any:
    generator.random()
    return generator


def mine() -> Mine:
    made = Mine(a=1)
    made.more = [2]
    return made


OBJECTS = {
    "member": (Phase.FALLS, Phase.RISES),
    "frozen dataclass": (Seen(0.5, [1]), Seen(0.1, [])),
    "slots": (slotted(a=1), slotted(a=5)),
    "named tuple": (Pair(1, [2]), Pair(0, [])),
    "derived dict with an attribute": (mine(), Mine()),
    "object that refers to itself": (meter(2.0), meter(1.0, later=3)),
    "in containers": ({"a": [Seen(0.5, [1]), Phase.FALLS]}, {}),
    "random.Random": (advanced(random.Random(1)), random.Random(2)),
    "Generator": (advanced(np.random.default_rng(1)), np.random.default_rng(2)),
    "another bit generator": (advanced(np.random.Generator(np.random.SFC64(1))), None),
    "RandomState": (advanced(np.random.RandomState(1)), np.random.RandomState(2)),
}


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(("value", "present"), OBJECTS.values(), ids=OBJECTS.keys())
def test_objects(value, present, is_there):
    source, target = Plain(), Plain()
    source.thing = value
    if is_there:
        target.thing = present
    del source.file
    skipped = transfer(source, target)
    if isinstance(value, Meter) and not is_there:  # what refers to itself is not made anew
        assert skipped[0][0] == "thing"
        return
    assert skipped == []
    assert told(target.thing) == told(value)
    if is_there and isinstance(value, Meter | Slotted | Mine | random.Random | np.random.Generator):
        assert present is None or target.thing is present


class Outer(keras.callbacks.Callback):
    """A callback inside of a callback, which knows the outer one."""

    per_class: list[int] = []
    LIMIT = 3

    def __init__(self, patience: int = 1, token: str = "a", table: Any = ()) -> None:
        super().__init__()
        self._patience = patience
        self.token = token
        self.table = table
        self.inner = keras.callbacks.EarlyStopping(monitor="loss", min_delta=0.1)
        self.inner.outer = self
        self.loss = keras.losses.MeanSquaredError()
        self.lock = threading.Lock()
        self.count = 0


def test_a_callback_inside_of_a_callback():
    source, target = Outer(), Outer()
    source.inner.wait, source.inner.monitor_op = 3, keras.ops.less
    source.inner.min_delta = -0.1
    inner = target.inner
    assert transfer(source, target) == []
    assert target.inner is inner
    assert (inner.wait, inner.min_delta, inner.outer is target) == (3, -0.1, True)


def test_what_a_class_holds_is_kept_in_place():
    tensors: list[Any] = []
    there = Outer.per_class
    there[:] = [1, 2]
    document = capture(Outer(), tensors, pytest.fail)
    there.clear()
    restore(Outer(), document, tensors, pytest.fail)
    assert there == [1, 2]
    assert Outer.per_class is there
    there.clear()


def test_variables_and_what_holds_them_are_put_back_in_place():
    source, target = Plain(), Plain()
    for each in (source, target):
        each.plain = tf.Variable([1.0, 2.0])
        each.of_keras = keras.Variable(np.ones((2, 1), np.float32))
        each.mean = keras.metrics.Mean()
        each.seeds = keras.random.SeedGenerator(5)
        each.layer = keras.layers.Dense(2)
        each.layer.build((None, 1))
        each.tensor = None
        del each.file
    before = dict(vars(target))
    source.plain.assign([3.0, 4.0])
    source.of_keras.assign([[5.0], [6.0]])
    source.mean.update_state(7.0)
    source.seeds.next()
    source.tensor = tf.constant([8], tf.bfloat16)
    assert transfer(source, target) == []
    assert target.plain.numpy().tolist() == [3, 4]
    assert target.of_keras.numpy().tolist() == [[5], [6]]
    assert float(target.mean.result()) == 7
    assert target.seeds.state.numpy().tolist() == source.seeds.state.numpy().tolist()
    assert np.array_equal(target.layer.kernel, source.layer.kernel)
    assert (target.tensor.dtype, float(target.tensor[0])) == (tf.bfloat16, 8)
    assert all(vars(target)[name] is before[name] for name in ("plain", "mean", "seeds", "layer"))


def test_a_captured_variable_does_not_change_with_the_variable():
    source, tensors = Plain(), []
    source.variable = tf.Variable([1.0])
    document = capture(source, tensors, lambda *_: None)
    source.variable.assign([2.0])
    restore(target := Plain(), document, tensors, lambda *_: None)
    assert not hasattr(target, "variable")
    target.variable = tf.Variable([0.0])
    restore(target, document, tensors, pytest.fail)
    assert target.variable.numpy().tolist() == [1]


def test_variables_of_the_trained_model_are_saved_with_that_alone():
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(2)])
    callback, tensors = Outer(), []
    callback.set_model(model)
    callback.part = model.layers[0]
    callback.other = keras.layers.Dense(1)
    callback.other.build((None, 1))
    saved = frozenset(id(entry.variable) for entry in variables_of(model))
    capture(callback, tensors, pytest.fail, lambda: saved)
    assert [array.shape for array in tensors] == [(1, 1), (1,)]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (iter(()), "was|is a builtins.tuple_iterator"),
        (tf.Variable("text"), "is a tensor of string"),
        ([np.ma.array([1])], "is a numpy.ma.*MaskedArray"),
    ],
)
def test_what_is_not_saved_is_named(value, what):
    source = Plain()
    del source.file
    source.thing = value
    ((name, sentence),) = transfer(source, Plain())
    assert name == "thing"
    assert re.match(what, sentence)


def test_what_cannot_be_put_back_is_named():
    source, target = Plain(), Plain()
    del source.file
    source.thing = tf.Variable([1.0])
    target.thing = tf.Variable([1.0, 2.0])
    ((name, sentence),) = transfer(source, target)
    assert (name, "not those that this process has made" in sentence) == ("thing", True)


def test_a_list_that_holds_itself_is_named():
    source = Plain()
    del source.file
    source.thing = []
    source.thing.append(source.thing)
    ((name, sentence),) = transfer(source, Plain())
    assert (name, sentence) == ("thing", "is a builtins.list that holds itself, which is not saved")


def test_a_checkpoint_names_no_class_but_the_users():
    document = {"attributes": {"thing": {"$object": ["logging:Filter", [], {}, {}, None, None]}}}
    skipped: list[str] = []
    restore(target := Plain(), document, [], lambda name, what: skipped.append(what))
    assert "logging:Filter, a class that is not the script's own" in skipped[0]
    assert not hasattr(target, "thing")


def test_a_state_of_its_own_that_is_no_data_is_refused():
    source = WithProtocol()
    source.count = object()
    with pytest.raises(Refused, match=r"get_state\(\) to give numbers.*a builtins.object"):
        capture(source, [], pytest.fail)


def test_arguments_that_the_program_has_changed_are_the_programs():
    before, tensors = Outer(patience=1, token="a", table=[1]), []
    known = given(before)
    before.count, before.table = 7, [1, 2]
    document = capture(before, tensors, pytest.fail)
    after = Outer(patience=4, token="b", table=[1])
    changed = changes(known, given(after))
    assert changed == {"_patience": "_patience (1 -> 4)", "token": "token"}
    restore(after, document, tensors, pytest.fail, changed.keys())
    assert (after._patience, after.token, after.table, after.count) == (4, "b", [1, 2], 7)


def test_an_argument_that_was_changed_in_training_stays_so_where_the_program_is_the_same():
    before, tensors = Outer(patience=1), []
    known = given(before)
    before._patience = 9
    document = capture(before, tensors, pytest.fail)
    changed = changes(known, given(after := Outer(patience=1)))
    restore(after, document, tensors, pytest.fail, changed.keys())
    assert (changed, after._patience) == ({}, 9)


def test_what_monitors_something_else_begins_anew():
    before, tensors = keras.callbacks.EarlyStopping("loss"), []
    before.wait = 3
    document = capture(before, tensors, pytest.fail)
    after = keras.callbacks.EarlyStopping("val_loss")
    restore(after, document, tensors, pytest.fail, {"monitor"})
    assert (after.wait, after.monitor) == (0, "val_loss")
