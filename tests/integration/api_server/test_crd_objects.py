"""TrainingJobs as the API server keeps them: pruned, read back, printed."""

from __future__ import annotations

import json

import pytest
from cluster.access import CommandFailed
from installed_crd import ROOT, for_a_cluster, install

from perdure_operator.model import from_api, ignored_fields
from perdure_operator.model.status import JobStatus

STATUS = {
    "phase": "Running",
    "reason": "Training",
    "ready": "1/1",
    "progress": {"step": 1834, "totalSteps": 5000, "percent": 36},
    "retries": {"preemption": 3, "total": 3},
    "checkpoint": {"record": 7, "step": 1800, "time": "2026-01-01T00:00:00Z"},
    "metrics": [{"name": "accuracy", "value": "0.9"}, {"name": "loss", "value": "NaN"}],
    "conditions": [{"type": "Running", "status": "True", "reason": "Training"}],
}


@pytest.fixture(scope="module", autouse=True)
def definition(control_plane):
    install(control_plane.admin)


@pytest.fixture
def job(control_plane, namespace):
    """The full manifest, stored."""
    full = for_a_cluster(ROOT / "tests/manifests/good/full.yaml")
    control_plane.admin.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(full))
    return ["tj", "digits", "-n", namespace]


def report(admin, job, status):
    patch = json.dumps({"status": status})
    admin.kubectl("patch", *job, "--subresource=status", "--type=merge", "-p", patch)


def test_read_back_it_is_what_was_sent(control_plane, job):
    sent = for_a_cluster(ROOT / "tests/manifests/good/full.yaml")
    stored = control_plane.admin.get(*job)
    assert from_api(stored).spec == from_api(sent).spec
    assert stored["spec"] == without_nulls(sent["spec"])  # nothing pruned, no default added
    assert "status" not in stored  # which is written through its own resource alone


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return value


def test_unknown_fields_are_dropped_and_named_by_what_kubectl_noted(control_plane, namespace):
    manifest = for_a_cluster(ROOT / "tests/manifests/good/minimal.yaml")
    manifest["spec"] |= {"checkpont": {"store": "s3://bucket"}, "retries": {"failure": 1}}
    command = ["apply", "-n", namespace, "--validate=ignore", "-f", "-"]
    control_plane.admin.kubectl(*command, stdin=json.dumps(manifest))
    stored = control_plane.admin.get("tj", "digits", "-n", namespace)
    assert set(stored["spec"]) == {"command", "image", "retries"}
    assert ignored_fields(stored["metadata"]["annotations"]) == [
        "spec.retries.failure: unknown field. Did you mean 'failures'?",
        "spec.checkpont: unknown field. Did you mean 'checkpoint'?",
    ]


def test_arguments_of_callbacks_are_kept_as_they_are(control_plane, namespace):
    manifest = for_a_cluster(ROOT / "tests/manifests/good/minimal.yaml")
    arguments = {"baseline": None, "deep": {"list": [1, {"x": 0.5}]}, "verbose": True}
    manifest["spec"]["callbacks"] = [{"name": "train:Mine", "args": arguments}]
    control_plane.admin.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    stored = control_plane.admin.get("tj", "digits", "-n", namespace)
    assert stored["spec"]["callbacks"][0]["args"] == arguments


def test_columns(control_plane, job):
    report(control_plane.admin, job, STATUS)
    header, row = control_plane.admin.kubectl("get", *job).splitlines()
    assert header.split() == [
        *("NAME", "PHASE", "READY", "STEP", "PROGRESS", "RETRIES", "CHECKPOINT", "AGE"),
    ]
    assert row.split()[:6] == ["digits", "Running", "1/1", "1834", "36", "3"]
    assert row.split()[6].endswith("d")  # a date: its age
    wide = control_plane.admin.kubectl("get", *job, "-o", "wide").splitlines()[1]
    assert wide.split()[-2:] == ["NaN", "Training"]


def test_get_all_shows_jobs(control_plane, job):
    namespace = job[-1]
    listed = control_plane.admin.kubectl("get", "all", "-n", namespace, "-o", "name")
    assert "trainingjob.perdure.dev/digits" in listed.split()


def test_whole_status_is_kept(control_plane, job):
    status = JobStatus.model_validate(every_field(JobStatus)).document()
    report(control_plane.admin, job, status)
    assert control_plane.admin.get(*job)["status"] == status


def every_field(model):
    """A document of `model` in which no field is missing."""
    schema = model.model_json_schema()
    return example(schema, schema.get("$defs", {}))


def example(schema, definitions):
    if "$ref" in schema:
        return example(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], definitions)
    match schema["type"]:
        case "object":
            fields = schema.get("properties", {}).items()
            return {name: example(field, definitions) for name, field in fields}
        case "array":
            return [example(schema["items"], definitions)]
        case kind:
            return {"string": "x", "integer": 7, "boolean": True, "number": 0.5}[kind]


def test_two_conditions_of_one_type_are_refused(control_plane, job):
    condition = {"type": "Running", "status": "True", "reason": "Training"}
    with pytest.raises(CommandFailed, match="Duplicate value"):
        report(control_plane.admin, job, {"conditions": [condition, condition]})


def test_status_is_not_written_with_the_spec(control_plane, job):
    patch = json.dumps({"status": STATUS})
    control_plane.admin.kubectl("patch", *job, "--type=merge", "-p", patch)
    assert "status" not in control_plane.admin.get(*job)


def test_another_run_may_be_asked_for(control_plane, job):
    patch = json.dumps({"spec": {"run": "3", "suspend": True}})
    control_plane.admin.kubectl("patch", *job, "--type=merge", "-p", patch)
    assert from_api(control_plane.admin.get(*job)).spec.run == "3"
