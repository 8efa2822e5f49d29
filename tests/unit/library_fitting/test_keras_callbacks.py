"""The table of Keras' callbacks says what the installed Keras has, whichever of the supported range it is."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import pytest

from perdure.contract.keras_callbacks import ALL, BY_NAME, KerasCallback

BASES = {"Callback", "CallbackList"}
HOOKS = {name for name in dir(keras.callbacks.Callback) if name.startswith("on_")}


def parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def is_here(since: str) -> bool:
    return not since or parts(since) <= parts(keras.__version__)


PRESENT = [callback for callback in ALL if is_here(callback.since)]


def test_every_class_of_keras_is_in_the_table_and_no_other():
    exported = {n for n in dir(keras.callbacks) if isinstance(getattr(keras.callbacks, n), type)}
    assert {callback.name for callback in PRESENT} == exported - BASES


@pytest.mark.parametrize("callback", PRESENT, ids=lambda callback: callback.name)
def test_arguments_are_those_of_the_signature(callback: KerasCallback):
    here = [a for a in callback.arguments if is_here(a.since) and not a.is_extra]
    signature = inspect.signature(getattr(keras.callbacks, callback.name))
    named = {n: p for n, p in signature.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert {argument.name for argument in here} == set(named)
    for argument in here:
        parameter = named[argument.name]
        assert argument.is_required == (parameter.default is parameter.empty)
        assert argument.is_required or same(argument.default, parameter.default)


def same(ours: Any, theirs: Any) -> bool:
    return bool(ours == theirs) and isinstance(ours, bool) == isinstance(theirs, bool)


def test_what_is_passed_on_are_the_hooks():
    extra = {argument.name for argument in BY_NAME["LambdaCallback"].arguments}
    assert extra == HOOKS
    assert [c.name for c in ALL if any(a.is_extra for a in c.arguments)] == ["LambdaCallback"]


@pytest.mark.parametrize("callback", ALL, ids=lambda callback: callback.name)
def test_defaults_are_of_the_types(callback: KerasCallback):
    for argument in callback.arguments:
        assert argument.is_required or argument.fits(argument.default), argument.name


@pytest.mark.parametrize("callback", ALL, ids=lambda callback: callback.name)
def test_every_class_says_what_is_kept_or_what_to_know(callback: KerasCallback):
    assert callback.state or callback.files or callback.notes
