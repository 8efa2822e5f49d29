"""Rules: the check, the sentence, and what the API server is given."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from perdure_operator.model.base import Items, Strict
from perdure_operator.model.rules import (
    Rule,
    at_least,
    at_most,
    each_once,
    exactly_one,
    matches,
    needed,
)


class Part(Strict):
    """A part."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("hostName", "port"),)

    name: str
    """The part's name. More is said here."""
    host_name: str | None = None
    """A name."""
    port: int | None = None
    """A number."""


def sentence(kind, value) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    (error,) = caught.value.errors()
    return error["msg"]


@pytest.mark.parametrize(
    ("rule", "kind", "value", "said"),
    [
        (at_least(2), int, 1, "expected at least 2. Received: 1."),
        (at_most(2), int, 3, "expected at most 2. Received: 3."),
        (matches("[ab]+", "expected a or b. Received: '{}'."), str, "abc",
         "expected a or b. Received: 'abc'."),
        (matches("[ab]+", "expected a or b. Received: '{}'."), str, "a\n",
         "expected a or b. Received: 'a\\n'."),
        (matches(r"\d", "expected a digit. Received: '{}'."), str, "\u0663",
         "expected a digit. Received: '\u0663'."),
    ],
)  # fmt: skip
def test_sentence(rule, kind, value, said):
    assert sentence(Annotated[kind, rule], value) == said


def test_braces_in_a_value_are_no_place_for_another():
    rule = matches("a", "expected a. Received: '{}'.")
    assert sentence(Annotated[str, rule], "{}") == "expected a. Received: '{}'."


def test_each_once():
    parts = [{"name": "a", "port": 1}, {"name": "b", "port": 1}, {"name": "a", "port": 2}]
    kind = Annotated[Items[Part], each_once("name")]
    assert sentence(kind, parts) == "expected each name once. Received more than once: a."
    assert len(TypeAdapter(kind).validate_python(parts[:2])) == 2


@pytest.mark.parametrize(("fields", "count"), [({}, 0), ({"hostName": "h", "port": 1}, 2)])
def test_exactly_one(fields, count):
    said = sentence(Part, {"name": "a", **fields})
    assert said == f"expected exactly one of hostName, port. Received: {count} of them."


def test_rule_of_the_api_server():
    assert at_least(2).validation() == {
        "rule": "self >= 2",
        "messageExpression": '"expected at least 2. Received: %s.".format([self])',
    }


def test_percent_sign_is_no_place_for_a_value():
    rule = matches("a", "expected 100%. Received: '{}'.")
    assert rule.validation()["messageExpression"].startswith("\"expected 100%%. Received: '%s'.")


def test_sentence_without_a_value_is_a_message():
    rule = Rule(bool, "self != ''", "expected something.", field="name")
    assert rule.validation() == {
        "rule": "self != ''",
        "message": "expected something.",
        "fieldPath": ".name",
    }


def test_missing_field_is_a_rule_with_what_it_is_for():
    schema = Part.model_json_schema()
    assert "required" not in schema
    assert schema["x-kubernetes-validations"][0] == {
        "rule": "has(self.name)",
        "message": "expected the part's name. Received: nothing.",
        "fieldPath": ".name",
        "reason": "FieldValueRequired",
    }
    assert needed(Part.model_fields["name"]) == "the part's name"


def test_marks_of_one_type_are_all_kept():
    schema = TypeAdapter(Annotated[int, at_least(1), at_most(9)]).json_schema()
    assert [rule["rule"] for rule in schema["x-kubernetes-validations"]] == [
        "self >= 1",
        "self <= 9",
    ]
