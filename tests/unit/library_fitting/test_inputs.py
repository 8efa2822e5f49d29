"""A changed list of files, another order, other sizes or seeds are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perdure.fitting import inputs
from perdure.fitting.inputs import changes, inputs_of
from perdure.pipeline_internals import Traits


def written(folder: Path, **sizes: int) -> dict[str, Any]:
    """The inputs of a pipeline that reads files of these sizes, in this order."""
    folder.mkdir(exist_ok=True)
    for name, size in sizes.items():
        (folder / name).write_bytes(b"x" * size)
    kept = inputs_of(Traits(files=[str(folder / name) for name in sizes]))
    return json.loads(json.dumps(kept))


def seeded(*seeds: tuple[int, int]) -> dict[str, Any]:
    return inputs_of(Traits(seeds=list(seeds)))


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        pytest.param(
            {"a": 3, "b": 4, "c": 5}, "2 files of 7 bytes -> 3 files of 12 bytes", id="added"
        ),
        pytest.param({"a": 3}, "2 files of 7 bytes -> 1 files of 3 bytes", id="removed"),
        pytest.param({"a": 3, "c": 4}, "reads other files", id="renamed"),
        pytest.param({"b": 4, "a": 3}, "2 files in another order", id="order"),
        pytest.param(
            {"a": 3, "b": 9}, "other sizes than before (2 files of 7 bytes -> ", id="size"
        ),
        pytest.param({"a": 4, "b": 3}, "other sizes", id="sizes of the same sum"),
    ],
)
def test_what_has_changed_is_said(tmp_path, now, sentence):
    (said,) = changes(written(tmp_path, a=3, b=4), written(tmp_path, **now))
    assert sentence in said


def test_the_same_files_elsewhere_are_the_same(tmp_path):
    before, now = written(tmp_path / "one", a=3, b=4), written(tmp_path / "two", a=3, b=4)
    assert list(changes(before, now)) == []


def test_folders_below_count(tmp_path):
    for folder in ("cat/0", "dog/0"):
        (tmp_path / folder).parent.mkdir()
        (tmp_path / folder).touch()
    files = [str(tmp_path / folder) for folder in ("cat/0", "dog/0")]
    twice = [files[0], files[0]]
    assert list(changes(inputs_of(Traits(files=files)), inputs_of(Traits(files=twice))))


def test_files_elsewhere_are_compared_by_name():
    before, now = (inputs_of(Traits(files=[f"gs://b/{n}", "gs://b/z"])) for n in "ac")
    assert before["bytes"] is None
    (said,) = changes(before, now)
    assert "(2 files -> 2 files)" in said


def test_many_files_are_not_asked_for_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "MOST_SIZES", 1)
    before, now = written(tmp_path, a=3, b=4), written(tmp_path, a=3, b=9)
    assert list(changes(before, now)) == []


def test_seeds():
    assert list(changes(seeded((0, 7)), seeded((0, 7)))) == []
    (said,) = changes(seeded((0, 7), (0, 8)), seeded((0, 7), (0, 9)))
    assert "(7, 8 -> 7, 9)" in said
    (said,) = changes(seeded(), seeded((0, 9)))
    assert "(none -> 9)" in said


@pytest.mark.parametrize(("value", "is_said"), [("random", True), (None, True), ("3", False)])
def test_the_order_of_sets_is_named_as_a_reason(tmp_path, monkeypatch, value, is_said):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    if value is not None:
        monkeypatch.setenv("PYTHONHASHSEED", value)
    (said,) = changes(written(tmp_path, a=3, b=4), written(tmp_path, b=4, a=3))
    assert ("PYTHONHASHSEED is not set" in said) == is_said
