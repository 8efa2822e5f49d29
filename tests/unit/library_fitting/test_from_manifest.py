"""Callbacks of a manifest: Keras' by name, the user's as module:Class, all else refused by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from perdure.errors import Refused
from perdure.fitting.from_manifest import callbacks_from

OWN = """
import keras

def halve(epoch, lr):
    return lr / 2

def began(logs):
    pass

LEVEL = 3

class Mine(keras.callbacks.Callback):
    def __init__(self, level=1):
        super().__init__()
        self.level = level

class Needs(keras.callbacks.Callback):
    def __init__(self, depth):
        if depth < 1:
            raise ValueError("depth: expected at least 1")

class Takes(keras.callbacks.Callback):
    def __init__(self, **kwargs):
        super().__init__()
        self.given = kwargs

class Other:
    pass
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module beside the script."""
    (tmp_path / "own_callbacks.py").write_text(OWN)
    (tmp_path / "broken_callbacks.py").write_text("def broken(:")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_callbacks", raising=False)
    return "own_callbacks"


def made(name: str, **arguments: Any) -> Any:
    (callback,) = callbacks_from(json.dumps([{"name": name, "args": arguments}]))
    return callback


def test_none():
    assert callbacks_from("[]") == []


def test_keras_callbacks_in_their_order():
    entries = [
        {"name": "TerminateOnNaN"},
        {"name": "EarlyStopping", "args": {"monitor": "loss", "patience": 3, "baseline": None}},
    ]
    first, second = callbacks_from(json.dumps(entries))
    assert type(first) is keras.callbacks.TerminateOnNaN
    assert type(second) is keras.callbacks.EarlyStopping
    assert (second.monitor, second.patience, second.baseline) == ("loss", 3, None)


def test_own_class(module):
    callback = made(f"{module}:Mine", level=7)
    assert (type(callback).__name__, callback.level) == ("Mine", 7)


def test_functions_are_given_by_name(module):
    own = pytest.importorskip(module)
    schedule = made("LearningRateScheduler", schedule=f"{module}:halve")
    assert schedule.schedule is own.halve
    assert made("LambdaCallback", on_train_begin=f"{module}:began").on_train_begin is own.began
    assert made("LambdaCallback", on_test_begin=f"{module}:began").on_test_begin is own.began


def test_a_value_that_only_looks_like_a_function_stays(module):
    assert made("EarlyStopping", monitor=f"{module}:halve").monitor == f"{module}:halve"


@pytest.mark.parametrize(
    ("module", "attributes"),
    [
        ("train_it", {"__file__": "/app/train_it.py"}),
        ("app.train_it", {"__file__": "/x.py", "__spec__": SimpleNamespace(name="app.train_it")}),
    ],
    ids=["script", "python -m"],
)
def test_the_script_itself_is_not_imported_again(monkeypatch, module, attributes):
    class Mine(keras.callbacks.Callback):
        pass

    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(Mine=Mine, **attributes))
    assert type(made(f"{module}:Mine")) is Mine
    assert module not in sys.modules


REFUSED = {
    "misspelt": (
        "EarlyStoping",
        {},
        "name: expected a Keras callback or module:Class. Received: 'EarlyStoping'. "
        "Did you mean 'EarlyStopping'?",
    ),
    "unknown": (
        "Zzz",
        {},
        "name: expected a Keras callback or module:Class. Received: 'Zzz'. Known: BackupAndRestore, ",
    ),
    "base class": ("Callback", {}, "name: expected a Keras callback"),
    "container": ("CallbackList", {}, "name: expected a Keras callback"),
    "of no use": ("History", {}, "fit has one always and returns it; leave it out."),
    "argument": (
        "EarlyStopping",
        {"patiense": 3},
        f"args.patiense: expected an argument of EarlyStopping of Keras {keras.__version__}. "
        "Received: 'patiense'. Did you mean 'patience'?",
    ),
    "argument that Keras swallows": (
        "ReduceLROnPlateau",
        {"patiense": 3},
        "Did you mean 'patience'?",
    ),
    "hook that Keras swallows": (
        "LambdaCallback",
        {"on_epoch_ends": "own_callbacks:began"},
        "Did you mean 'on_epoch_end'?",
    ),
    "missing argument": ("CSVLogger", {}, "args.filename: expected a value"),
    "type that Keras takes": (
        "EarlyStopping",
        {"patience": "3"},
        "args.patience: expected a whole number. Received: '3'.",
    ),
    "flag as a number": (
        "EarlyStopping",
        {"restore_best_weights": 1},
        "expected true or false. Received: 1.",
    ),
    "choice that Keras takes": (
        "EarlyStopping",
        {"mode": "minimum"},
        "expected 'auto', 'min' or 'max'",
    ),
    "value": ("ModelCheckpoint", {"filepath": "a.txt"}, "refuses these arguments: "),
    "negative factor": ("ReduceLROnPlateau", {"factor": 2.0}, "factor=2.0"),
    "not a name": (
        "own callbacks:A",
        {},
        "name: expected module:name. Received: 'own callbacks:A'.",
    ),
    "relative module": (".own:Class", {}, "name: expected module:name."),
    "module": (
        "no_such_module:A",
        {},
        "name: expected a module that can be imported. Received: 'no_such_module:A' (ModuleNotFoundError",
    ),
    "module that is no Python": ("broken_callbacks:A", {}, "(SyntaxError: "),
    "class": (
        "own_callbacks:Mime",
        {},
        "'own_callbacks:Mime', which is not there. Did you mean 'Mine'?",
    ),
    "no callback": (
        "own_callbacks:Other",
        {},
        "derived from keras.callbacks.Callback. Received: 'own_callbacks:Other', which is the class Other.",
    ),
    "function as a class": ("own_callbacks:halve", {}, "which is a function."),
    "argument of one's own": (
        "own_callbacks:Mine",
        {"levle": 3},
        "args.levle: expected an argument of Mine. Received: 'levle'. Did you mean 'level'?",
    ),
    "argument that one's own needs": (
        "own_callbacks:Needs",
        {},
        "args.depth: expected a value, which Needs needs.",
    ),
    "value that one's own refuses": (
        "own_callbacks:Needs",
        {"depth": 0},
        "Needs refuses these arguments: depth",
    ),
    "function": (
        "LearningRateScheduler",
        {"schedule": "own_callbacks:halv"},
        "args.schedule: expected a name in module own_callbacks. Received: 'own_callbacks:halv', "
        "which is not there. Did you mean 'halve'?",
    ),
    "no function": (
        "LearningRateScheduler",
        {"schedule": "own_callbacks:LEVEL"},
        "args.schedule: expected a function. Received: 'own_callbacks:LEVEL', which is a int.",
    ),
    "function without a module": (
        "LearningRateScheduler",
        {"schedule": "halve"},
        "expected the name of a function as module:function. Received: 'halve'.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(module, name):
    callback, arguments, sentence = REFUSED[name]
    with pytest.raises(Refused) as refusal:
        made(callback, **arguments)
    assert str(refusal.value).startswith("spec.callbacks[0]")
    assert sentence in str(refusal.value)


def test_all_that_is_wrong_is_said():
    entries = [{"name": "Zzz"}, {"name": "TerminateOnNaN"}, {"name": "CSVLogger", "args": {"x": 1}}]
    with pytest.raises(Refused) as refusal:
        callbacks_from(json.dumps(entries))
    places = [line.split(": ")[0] for line in str(refusal.value).splitlines()]
    assert places == [
        "spec.callbacks[0].name", "spec.callbacks[2].args.x", "spec.callbacks[2].args.filename",
    ]  # fmt: skip


def test_a_class_that_takes_any_argument_gets_it(module):
    assert made(f"{module}:Takes", whatever=3).given == {"whatever": 3}


def test_what_the_script_defines_later_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__="/app/train_it.py"))
    with pytest.raises(
        Refused, match=r"when the script reaches perdure\.callbacks; define it above"
    ):
        made("train_it:Mine")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("EarlyStopping", id="no JSON"),
        pytest.param('{"name": "TerminateOnNaN"}', id="no list"),
        pytest.param('["TerminateOnNaN"]', id="list of names"),
        pytest.param('[{"args": {}}]', id="no name"),
        pytest.param('[{"name": "TerminateOnNaN", "args": [1]}]', id="arguments are a list"),
        pytest.param('[{"name": "TerminateOnNaN", "arguments": {}}]', id="another field"),
        pytest.param("[" * 100_000, id="more levels than can be read"),
    ],
)
def test_what_is_no_list_of_callbacks_is_refused(text):
    with pytest.raises(Refused, match=r"^PERDURE_CALLBACKS: expected a JSON list of"):
        callbacks_from(text)
