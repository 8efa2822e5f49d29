"""The names that both sides must agree on are written in `perdure.contract` and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.contract import environment, labels, metric_names
from perdure_operator.build import Attempt, trainer_environment
from perdure_operator.model import TrainingJob

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "callbacks/perdure/contract"
LIBRARY = sorted((ROOT / "callbacks/perdure").rglob("*.py"))
OPERATOR = sorted((ROOT / "operator/perdure_operator").rglob("*.py"))
OUTSIDE = [path for path in (*LIBRARY, *OPERATOR) if CONTRACT not in path.parents]
A_SETTING = r"PERDURE_(?!OPERATOR_)[A-Z_]+"  # the operator's own settings are no trainer's business
A_NAME = re.compile(rf"{A_SETTING}|perdure\.dev(/.*)?|perdure_(train|checkpoint)s?_[a-z_]+")

OF_THE_USER = {environment.PRICES, environment.SSE, environment.STORE_DEADLINE}
"""What a manifest may set in spec.env."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def strings(path: Path) -> list[str]:
    """The string constants of a module, without docstrings."""
    tree = ast.parse(path.read_text())
    bare = {
        id(node.value) for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare
    ]


def attributes(paths: list[Path]) -> Iterator[str]:
    """Every name that the modules use, whether as `env.STORE` or imported as `STORE`."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Name):
                yield node.id


def variables() -> dict[str, str]:
    """Constant and environment variable."""
    return {
        name: value
        for name, value in vars(environment).items()
        if name.isupper() and isinstance(value, str) and value in environment.ALL
    }


def test_the_trees_are_found():
    assert CONTRACT / "environment.py" in LIBRARY
    assert len(OUTSIDE) > 50
    assert [s for s in strings(CONTRACT / "environment.py") if A_NAME.fullmatch(s)]
    assert [s for s in strings(CONTRACT / "labels.py") if A_NAME.fullmatch(s)]


@pytest.mark.parametrize("metric", metric_names.ALL, ids=lambda metric: metric.name)
def test_metric_names_are_recognized(metric):
    assert A_NAME.fullmatch(metric.name)


@pytest.mark.parametrize("path", OUTSIDE, ids=named)
def test_no_name_is_written_outside_the_contract(path):
    assert [text for text in strings(path) if A_NAME.fullmatch(text)] == []


@pytest.mark.parametrize("path", OUTSIDE, ids=named)
def test_sentences_name_variables_that_exist(path):
    mentioned = {name for text in strings(path) for name in re.findall(rf"{A_SETTING}\b", text)}
    assert mentioned <= environment.ALL


@pytest.mark.parametrize("constant", sorted(variables()))
def test_the_library_reads_every_variable(constant):
    assert constant in set(attributes([p for p in LIBRARY if CONTRACT not in p.parents]))


def test_the_runner_gives_what_the_library_reads():
    job = TrainingJob.model_validate(
        {
            "apiVersion": labels.API_VERSION,
            "kind": labels.KIND,
            "metadata": {"name": "digits"},
            "spec": {
                "command": ["python", "train.py"],
                "continue": True,
                "callbacks": [{"name": "TerminateOnNaN"}],
            },
        }
    )
    given = set(trainer_environment(job, Attempt(1, "file:///state")))
    assert given == environment.ALL - OF_THE_USER - {environment.TRAINER, environment.REQUEST_FILE}


@pytest.mark.parametrize("name", sorted(environment.ALL - OF_THE_USER - {environment.TRAINER}))
def test_a_manifest_may_not_set_what_the_runner_sets(name):
    document = {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "metadata": {"name": "digits"},
        "spec": {"command": ["python"], "env": [{"name": name, "value": "1"}]},
    }
    with pytest.raises(ValueError, match=f"{name} is set for each attempt"):
        TrainingJob.model_validate(document)
