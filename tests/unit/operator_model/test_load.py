"""Loading a manifest: what its parts become, and that all errors are said."""

from __future__ import annotations

from decimal import Decimal

import pytest

from perdure_operator.model import ManifestError, TrainingJob, load
from perdure_operator.model.base import Strict, parse_quantity
from perdure_operator.model.sentences import _model_in

MANIFEST = """
apiVersion: perdure.dev/v1alpha1
kind: TrainingJob
metadata: {name: digits}
spec:
  command: [python, train.py]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(text)
    return caught.value.problems


def test_defaults():
    spec = load(MANIFEST).spec
    assert (spec.run, spec.workers, spec.termination_grace_period_seconds) == ("1", 1, 30)
    assert (spec.retries.failures, spec.retries.infrastructure, spec.retries.no_progress) == (
        3,
        10,
        10,
    )
    assert spec.retries.preemptions is None
    assert (spec.checkpoint.interval.mode, spec.checkpoint.keep.last) == ("Auto", 3)


def test_all_errors_are_said_at_once():
    text = (
        MANIFEST + "  run: 1\n  run: 1\n  comand: [x]\n  retries: {failures: -1, nofailures: 2}\n"
    )
    assert problems(text) == [
        "spec.run: expected once. Received: twice (lines 7 and 8). Remove one.",
        "spec.run: expected a string. Received: 1. Quote it.",
        "spec.retries.failures: expected at least 0. Received: -1.",
        "spec.retries.nofailures: unknown field. Did you mean 'failures'?",
        "spec.comand: unknown field. Did you mean 'command'?",
    ]


def test_unknown_field_without_close_name_lists_the_known():
    text = MANIFEST + "  checkpoint: {keep: {zzz: 1}}\n"
    assert problems(text) == [
        "spec.checkpoint.keep.zzz: unknown field. Known here: last, everySteps, everyHours, best."
    ]


def test_null_is_unset():
    assert load(MANIFEST + "  checkpoint: ~\n  image: ~\n") == load(MANIFEST)


def test_null_stays_in_arguments_of_callbacks():
    job = load(MANIFEST + "  callbacks: [{name: EarlyStopping, args: {baseline: ~}}]\n")
    assert job.spec.callbacks[0].args == {"baseline": None}


def test_date_is_a_string_as_for_kubernetes():
    assert load(MANIFEST + "  annotations: {date: 2026-01-01}\n").spec.annotations == {
        "date": "2026-01-01"
    }


def test_values_of_variables_are_never_said():
    text = MANIFEST + "  env: [{name: KEY, value: [hunter2]}, {name: PIN, value: 31415}]\n"
    said = problems(text)
    assert [line.partition(":")[0] for line in said] == ["spec.env[0].value", "spec.env[1].value"]
    assert not any("hunter2" in line or "31415" in line for line in said)


def test_many_aliases_do_not_take_long():
    levels = "".join(f"      a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    text = MANIFEST + "  callbacks:\n  - name: Mine\n    args:\n      a0: &a0 [x]\n" + levels
    assert problems(text) == [
        "spec.callbacks[0].args: expected at most 8 levels of lists and mappings. Received: more."
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", "2"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("2e3", "2000"),
        ("1k", "1000"),
        ("2Ki", "2048"),
        ("1Gi", "1073741824"),
    ],
)
def test_quantity(text, value):
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "-1", "two", "1Ti i", "5 m", "1kk", "nan"])
def test_not_a_quantity(text):
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


def models(root: type[Strict]) -> set[type[Strict]]:
    below = {_model_in(field.annotation) for field in root.model_fields.values()} - {None}
    return {root}.union(*(models(model) for model in below))


@pytest.mark.parametrize("model", sorted(models(TrainingJob), key=lambda m: m.__name__))
def test_every_field_is_described(model):
    """The schema's descriptions are made from these."""
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_file_that_is_no_text(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(
        ManifestError, match=r"expected text in UTF-8\. Received: other bytes at offset 0\."
    ):
        load(path)
