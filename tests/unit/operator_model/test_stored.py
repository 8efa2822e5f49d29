"""Objects of the API: read without what the server added; what it dropped is named."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from perdure_operator.model import from_api, ignored_fields, unknown_fields
from perdure_operator.model.stored import LAST_APPLIED

STORED = {
    "apiVersion": "perdure.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {
        "name": "digits",
        "namespace": "team-a",
        "uid": "4f0c7a9e",
        "generation": 2,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        "ownerReferences": [{"kind": "Workflow", "name": "w"}],
        "aFieldOfALaterKubernetes": {},
    },
    "spec": {"image": "digits:1", "command": ["python", "train.py"]},
    "status": {"phase": "Running", "aFieldOfALaterOperator": 1},
}


def test_what_the_server_added_is_passed_over():
    job = from_api(STORED)
    assert (job.metadata.namespace, job.metadata.uid, job.metadata.generation) == (
        "team-a",
        "4f0c7a9e",
        2,
    )
    assert job.spec.command == ["python", "train.py"]
    assert job.status is None


def test_what_breaks_a_rule_is_refused():
    with pytest.raises(ValidationError, match="expected at least one word"):
        from_api({**STORED, "spec": {"command": []}})
    with pytest.raises(ValidationError, match="spec"):
        from_api({key: value for key, value in STORED.items() if key != "spec"})


def test_unknown_fields_are_named_and_nothing_else():
    spec = {"comand": ["x"], "retries": {"failures": -1, "nofailures": 2}, "run": 7}
    assert unknown_fields({**STORED, "spec": spec, "metadata": {"name": "No Name"}}) == [
        "spec.retries.nofailures: unknown field. Did you mean 'failures'?",
        "spec.comand: unknown field. Did you mean 'command'?",
    ]


def test_nothing_is_unknown_in_a_good_manifest():
    assert unknown_fields({**STORED, "metadata": {"name": "digits"}}) == []


def test_fields_are_found_in_what_kubectl_noted_down():
    applied = {**STORED, "metadata": {"name": "digits"}, "image": "digits:1"}
    assert ignored_fields({LAST_APPLIED: json.dumps(applied)}) == [
        "image: unknown field. Did you mean spec.image?"
    ]


@pytest.mark.parametrize("annotations", [{}, {LAST_APPLIED: "no JSON"}, {LAST_APPLIED: "[]"}])
def test_without_such_a_note_nothing_is_known(annotations):
    assert ignored_fields(annotations) == []
