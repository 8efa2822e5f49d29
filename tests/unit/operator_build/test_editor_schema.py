"""The schema that editors check a manifest by takes what is right and marks what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from perdure.contract.keras_callbacks import ALL, NAMES
from perdure_operator.build.editor_schema import editor_schema
from perdure_operator.model import document, load

ROOT = Path(__file__).parents[3]
SCHEMA = editor_schema()
CHECK = jsonschema.Draft7Validator(SCHEMA)
EXAMPLES = sorted(ROOT.glob("deploy/examples/*/job.yaml"))
GOOD = [*sorted(ROOT.glob("tests/manifests/good/*.yaml")), *EXAMPLES]
LINE = "# yaml-language-server: $schema="
MARKED = [
    "args-with-a-number", "callback-argument-missing", "callback-argument-of-another-choice",
    "callback-argument-of-another-type", "callback-argument-unknown", "callback-arguments-too-many",
    "callback-function-without-module", "callback-hook-unknown", "callback-of-no-use", "callback-unknown",
    "command-in-one-string", "command-missing", "deadline-fraction", "field-outside-spec",
    "interval-mode-unknown", "kind-missing", "misspelt-field", "misspelt-nested-field", "name-missing",
    "run-is-a-number", "suspend-is-a-string", "wrong-api-version", "wrong-kind",
]  # fmt: skip


def with_callback(name: str, **arguments: Any) -> dict[str, Any]:
    text = (ROOT / "tests/manifests/good/minimal.yaml").read_text()
    manifest = yaml.safe_load(text)
    manifest["spec"]["callbacks"] = [{"name": name, "args": arguments}]
    return manifest


def test_it_is_a_schema():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("manifest", GOOD, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_good_manifest_is_not_marked(manifest):
    value, problems = document.read(manifest.read_text())
    assert [error.message for error in CHECK.iter_errors(value)] == problems == []


@pytest.mark.parametrize("name", MARKED)
def test_bad_manifest_is_marked(name):
    value = yaml.safe_load((ROOT / f"tests/manifests/bad/{name}.yaml").read_text())
    assert list(CHECK.iter_errors(value))


@pytest.mark.parametrize("name", NAMES)
def test_arguments_of_keras_are_known(name):
    callback = next(callback for callback in ALL if callback.name == name)
    given = {a.name: a.default for a in callback.arguments if not a.is_required}
    given |= {a.name: "m:f" if a.is_function else "x" for a in callback.arguments if a.is_required}
    assert CHECK.is_valid(with_callback(name, **given))
    assert not CHECK.is_valid(with_callback(name, **given, no_such_argument=1))


def test_the_same_values_fit_as_before_training():
    """The schema and the check of the table judge each value alike."""
    values: list[Any] = [None, True, 0, 3, 0.5, "epoch", "auto", "m:f", "a b", [1], {"a": "b"}]
    for callback in ALL:
        for argument in callback.arguments if not callback.refusal else ():
            required = {a.name: "m:f" for a in callback.arguments if a.is_required}
            for value in values:
                manifest = with_callback(callback.name, **{**required, argument.name: value})
                said = CHECK.is_valid(manifest)
                assert said == argument.fits(value), (callback.name, argument.name, value)


def test_newer_arguments_are_marked():
    conditions = SCHEMA["properties"]["spec"]["properties"]["callbacks"]["items"]["allOf"]
    described = {
        c["if"]["properties"]["name"]["const"]: c["then"]["properties"]["args"] for c in conditions
    }
    raises = described["TerminateOnNaN"]["properties"]["raise_error"]
    assert raises["description"].startswith("Not in every supported Keras: from ")


def test_own_classes_are_free():
    assert CHECK.is_valid(with_callback("hooks:Mine", anything=[1, {"a": None}]))
    assert not CHECK.is_valid(with_callback("hooks.Mine"))


@pytest.mark.parametrize("manifest", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_editor_finds_it_from_the_examples(manifest):
    first = manifest.read_text().splitlines()[0]
    assert first.startswith(LINE)
    schema = (manifest.parent / first.removeprefix(LINE)).resolve()
    assert schema == ROOT / "deploy/schemas/trainingjob.json"
    assert schema.is_file()
    assert load(manifest).metadata.name == manifest.parent.name
