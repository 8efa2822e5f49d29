"""What changed between two fingerprints, and what a managed run fixes."""

from __future__ import annotations

import os
import sys

import pytest

from perdure.contract.environment import DEFAULT_THREADS, InvalidSetting
from perdure.determinism import (
    FLAGS,
    SHOWN,
    Fixed,
    differences,
    program_fingerprint,
    set_flags,
)


@pytest.mark.parametrize(
    ("before", "now", "sentences"),
    [
        pytest.param({}, {}, [], id="nothing"),
        pytest.param({"a": "1"}, {"a": "1"}, [], id="the same"),
        pytest.param({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, [], id="another order"),
        pytest.param({"a": "1"}, {"a": "2"}, ["a: 1 -> 2"], id="changed"),
        pytest.param({"a": "1"}, {}, ["a: 1 -> unset"], id="gone"),
        pytest.param({}, {"a": "1"}, ["a: unset -> 1"], id="new"),
        pytest.param(
            {"a": "1", "b": "1", "c": "1"},
            {"d": "1", "c": "2", "a": "1"},
            ["b: 1 -> unset", "c: 1 -> 2", "d: unset -> 1"],
            id="several",
        ),
    ],
)
def test_differences(before, now, sentences):
    assert differences(before, now) == sentences


@pytest.mark.parametrize(
    ("environ", "fixed"),
    [
        pytest.param({}, Fixed(0, DEFAULT_THREADS), id="defaults"),
        pytest.param({"PERDURE_SEED": "7", "PERDURE_THREADS": "2"}, Fixed(7, 2), id="given"),
        pytest.param({"PERDURE_SEED": "2147483647"}, Fixed(2**31 - 1, 4), id="largest seed"),
    ],
)
def test_fixed(environ, fixed):
    assert Fixed.from_environ(environ, seed=0) == fixed


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PERDURE_SEED", "2147483648"),
        ("PERDURE_SEED", "-1"),
        ("PERDURE_SEED", "0.5"),
        ("PERDURE_THREADS", "0"),
        ("PERDURE_THREADS", "many"),
    ],
)
def test_fixed_refuses(name, text):
    with pytest.raises(InvalidSetting, match=f"^{name}: expected .* Received: '?{text}"):
        Fixed.from_environ({name: text}, seed=0)


def test_flags_of_the_user_stay():
    name, *others = FLAGS
    environ = {name: "mine"}
    set_flags(environ)
    assert environ == {**FLAGS, name: "mine"}
    assert others


def test_the_program_is_the_scripts_text_and_the_runners_digest(tmp_path, monkeypatch):
    script = tmp_path / "train.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--epochs", "3"])
    seen = [program_fingerprint({})]
    for text in ("a = 1\n", "a = 2\n"):
        script.write_text(text)
        seen.append(program_fingerprint({}))
    assert len({fingerprint["script"] for fingerprint in seen}) == 3
    os.utime(script, (0, 0))
    assert program_fingerprint({}) == seen[-1]
    managed = program_fingerprint({"PERDURE_PROGRAM": "f" * 64})
    assert differences(seen[-1], managed) == [f"image, command and env:  -> {'f' * SHOWN}"]
