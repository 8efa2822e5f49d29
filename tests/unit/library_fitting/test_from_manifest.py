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

class Mine(keras.callbacks.Callback):
    def __init__(self, level=1):
        super().__init__()
        self.level = level
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module beside the script."""
    (tmp_path / "own_callbacks.py").write_text(OWN)
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


def test_a_value_that_only_looks_like_a_function_stays(module):
    assert made("EarlyStopping", monitor=f"{module}:halve").monitor == f"{module}:halve"


def test_the_script_itself_is_not_imported_again(monkeypatch):
    class Mine(keras.callbacks.Callback):
        pass

    main = SimpleNamespace(__file__="/app/train_it.py", Mine=Mine)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert type(made("train_it:Mine")) is Mine
    assert "train_it" not in sys.modules


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        pytest.param("EarlyStoping", {}, "Did you mean EarlyStopping?", id="misspelt"),
        pytest.param("Zzz", {}, "Keras has: BackupAndRestore, ", id="unknown"),
        pytest.param(
            "EarlyStopping", {"patiense": 3}, "EarlyStopping does not take these arguments",
            id="argument",
        ),
        pytest.param("EarlyStopping", {"restore": 1}, "'restore'", id="the argument is named"),
        pytest.param("CSVLogger", {}, "CSVLogger does not take these", id="missing argument"),
        pytest.param("ModelCheckpoint", {"filepath": "a.txt"}, "a.txt", id="value"),
        pytest.param("no_such_module:A", {}, "'no_such_module:A'", id="module"),
        pytest.param("own_callbacks:Other", {}, "'own_callbacks:Other'", id="class"),
        pytest.param(
            "LearningRateScheduler", {"schedule": "own_callbacks:none"}, "'own_callbacks:none'",
            id="function",
        ),
        pytest.param(
            "LearningRateScheduler", {"schedule": "halve"}, "'halve'", id="function, no module"
        ),
    ],
)  # fmt: skip
def test_refusals(module, name, arguments, sentence):
    with pytest.raises(Refused) as refusal:
        made(name, **arguments)
    assert str(refusal.value).startswith("PERDURE_CALLBACKS: ")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("EarlyStopping", id="no JSON"),
        pytest.param('{"name": "TerminateOnNaN"}', id="no list"),
        pytest.param('["TerminateOnNaN"]', id="list of names"),
        pytest.param('[{"args": {}}]', id="no name"),
        pytest.param('[{"name": "TerminateOnNaN", "args": [1]}]', id="arguments are a list"),
        pytest.param('[{"name": ":Class"}]', id="no module"),
        pytest.param('[{"name": ".own:Class"}]', id="relative module"),
        pytest.param('[{"name": "json:dumps", "args": {"obj": 1}}]', id="makes no callback"),
    ],
)
def test_what_can_never_work_is_refused(text):
    with pytest.raises(Refused):
        callbacks_from(text)
