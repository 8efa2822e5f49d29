"""The CustomResourceDefinition, as far as it can be judged without an API server."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from perdure_operator.build.crd import custom_resource_definition, manifest
from perdure_operator.model.job import Spec
from perdure_operator.model.status import JobStatus

COMMITTED = Path(__file__).parents[3] / "deploy/crds/trainingjobs.yaml"
VERSION = custom_resource_definition()["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
SPEC = SCHEMA["properties"]["spec"]
STATUS = SCHEMA["properties"]["status"]


def places(schema, path=""):
    """Every schema within `schema`, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from places(part, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in schema:
            yield from places(schema[keyword], path + mark)


def rules(schema):
    return [rule for _, part in places(schema) for rule in part.get("x-kubernetes-validations", [])]


def test_committed_file_is_what_the_types_make():
    assert COMMITTED.read_text() == manifest(), "run: python deploy/generate.py"


def test_yaml_says_the_same():
    assert yaml.safe_load(manifest()) == custom_resource_definition()


def test_kubectl_apply_can_note_it_down():
    """Annotations are at most 256 KiB together, and kubectl keeps what it applied in one."""
    assert len(json.dumps(custom_resource_definition())) < 200_000


def test_schema_is_structural():
    known = {
        *("type", "description", "format", "enum", "properties", "items", "additionalProperties"),
        *("maximum", "maxLength", "maxItems", "maxProperties", "required"),
        *("x-kubernetes-validations", "x-kubernetes-int-or-string"),
        *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type"),
        "x-kubernetes-list-map-keys",
    }
    assert {keyword for _, part in places(SCHEMA) for keyword in part} <= known
    untyped = {path for path, part in places(SCHEMA) if "type" not in part}
    assert all(part.get("x-kubernetes-int-or-string") for p, part in places(SCHEMA) if p in untyped)


def test_only_arguments_of_callbacks_are_free():
    free = [path for path, part in places(SCHEMA) if "x-kubernetes-preserve-unknown-fields" in part]
    assert free == [".spec.callbacks[].args"]


def test_every_field_is_described():
    named = [(path, part) for path, part in places(SPEC) if not path.endswith(("[]", "{}"))]
    assert [path for path, part in named if not part.get("description")] == []


def test_every_list_and_mapping_of_the_spec_has_a_bound():
    bounds = {"array": "maxItems", "object": "maxProperties"}
    parts = [(path, part) for path, part in places(SPEC) if "properties" not in part]
    unbounded = [p for p, part in parts if bounds.get(part.get("type"), "type") not in part]
    assert [path for path in unbounded if not part_at(path).get("x-kubernetes-int-or-string")] == []


def part_at(path):
    return dict(places(SPEC))[path]


def test_every_string_with_a_pattern_has_a_bound():
    for path, part in places(SPEC):
        if any(
            "self.matches(" in rule["rule"] for rule in part.get("x-kubernetes-validations", [])
        ):
            assert "maxLength" in part, path


def test_every_rule_has_a_sentence():
    assert len(rules(SCHEMA)) > 100
    for rule in rules(SCHEMA):
        text = rule.get("message") or rule["messageExpression"]
        assert text.rstrip("\"'").partition('".format(')[0].endswith((".", "%s.")), rule


def test_every_rule_blames_a_field_that_is_there():
    for path, part in places(SPEC):
        for rule in part.get("x-kubernetes-validations", []):
            if "fieldPath" in rule:
                assert rule["fieldPath"].removeprefix(".") in part["properties"], (path, rule)


def test_spec_has_every_field_of_the_type():
    assert set(SPEC["properties"]) == {field.alias for field in Spec.model_fields.values()}
    assert set(STATUS["properties"]) == {field.alias for field in JobStatus.model_fields.values()}


def test_image_is_needed_on_a_cluster_alone():
    assert "has(self.image)" in {rule["rule"] for rule in SPEC["x-kubernetes-validations"]}
    assert not Spec.model_fields["image"].is_required()


def test_conditions_and_metrics_are_maps():
    keys = {
        path: part["x-kubernetes-list-map-keys"]
        for path, part in places(STATUS)
        if part.get("x-kubernetes-list-type") == "map"
    }
    assert keys == {".conditions": ["type"], ".metrics": ["name"]}
    for name, (key,) in keys.items():
        assert key in STATUS["properties"][name[1:]]["items"]["required"]


def test_columns_show_fields_of_the_status():
    paths = {path for path, _ in places(SCHEMA)}
    for column in VERSION["additionalPrinterColumns"]:
        path = column["jsonPath"].replace('[?(@.name=="loss")]', "[]")
        assert path in paths | {".metadata.creationTimestamp"}
