"""What `perdure run` says of a manifest's callbacks before anything starts, without importing the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perdure_operator.local.callbacks import callback_problems, module_folders
from perdure_operator.model.job import Callback

TRAIN = """
import functools
raise SystemExit("importing it would train")

if True:
    def halve(epoch, lr): return lr / 2

class Mine: pass
third = fourth = functools.partial(halve)
def outer():
    def inner(): pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "broken.py").write_text("def broken(:")
    (tmp_path / "star.py").write_text("from os import *")
    (tmp_path / "built.py").write_text("globals()['made'] = print")
    (tmp_path / "package/sub").mkdir(parents=True)
    (tmp_path / "package/sub/__init__.py").write_text("def deep(): pass")
    return tmp_path


def problems(folder: Path, name: str, **arguments: Any) -> list[str]:
    return callback_problems([Callback(name=name, args=arguments)], [folder])


def of_function(folder: Path, name: str) -> list[str]:
    return problems(folder, "LearningRateScheduler", schedule=name)


@pytest.mark.parametrize(
    "name",
    ["train:halve", "train:Mine", "train:third", "train:fourth", "train:functools",
     "package.sub:deep", "star:anything", "built:made", "somewhere_else:function"],
)  # fmt: skip
def test_what_is_there_or_cannot_be_told(folder, name):
    assert of_function(folder, name) == []
    assert problems(folder, name) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("train:halv", "expected a name that train.py defines. Received: 'train:halv'. Did you mean 'halve'?"),
        ("train:inner", "expected a name that train.py defines. Received: 'train:inner'."),
        ("package.sub:shallow", "expected a name that __init__.py defines."),
        ("broken:x", "expected a module in Python. Received: 'broken:x'"),
    ],
)  # fmt: skip
def test_what_is_not_there(folder, name, sentence):
    (said,) = of_function(folder, name)
    assert said.startswith(f"spec.callbacks[0].args.schedule: {sentence}")
    (said,) = problems(folder, name)
    assert said.startswith(f"spec.callbacks[0].name: {sentence}")


def test_a_string_that_names_no_function_is_not_looked_for(folder):
    assert problems(folder, "EarlyStopping", monitor="train:halv") == []


def test_each_callback_and_argument_is_named(folder):
    given = [
        Callback(name="TerminateOnNaN"),
        Callback(name="CSVLogger", args={"x": 1, "append": 1}),
    ]
    assert [said.split(": ")[0] for said in callback_problems(given, [folder])] == [
        "spec.callbacks[1].args.x",
        "spec.callbacks[1].args.filename",
        "spec.callbacks[1].args.append",
    ]


def test_modules_are_beside_the_script_first(folder):
    assert module_folders(folder, ["python", "src/train.py", "x.py"]) == [folder / "src", folder]
    assert module_folders(folder, ["python", "-m", "train"]) == [folder]
