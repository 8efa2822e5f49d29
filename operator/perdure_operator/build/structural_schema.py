"""JSON schema as pydantic writes it, made a structural schema as Kubernetes wants it.

No references, no alternatives: each place has one type. Defaults stay with the types: an object
keeps saying what its author wrote, and a later version may know better.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from perdure_operator.model.rules import VALIDATIONS

_KEPT = frozenset(
    {
        "type",
        "format",
        "enum",
        "maximum",
        "maxLength",
        "maxItems",
        "maxProperties",
        "required",
        "x-kubernetes-int-or-string",
    }
)


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The structural schema of `model`, with its rules."""
    schema = model.model_json_schema()
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(schema, definitions)
    made = {key: value for key, value in schema.items() if key in _KEPT}
    if "description" in schema:
        made["description"] = " ".join(schema["description"].split())
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if schema.get(VALIDATIONS):
        made[VALIDATIONS] = [
            dict(sorted(rule.items(), reverse=True)) for rule in schema[VALIDATIONS]
        ]
    return dict(sorted(made.items())) | _below(schema, definitions)


def _below(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "items" in schema:
        return {"items": _structural(schema["items"], definitions)}
    if "properties" in schema:
        properties = schema["properties"].items()
        return {"properties": {name: _structural(part, definitions) for name, part in properties}}
    match schema.get("additionalProperties"):
        case dict(values):
            return {"additionalProperties": _structural(values, definitions)}
        case True:
            return {"x-kubernetes-preserve-unknown-fields": True}
    return {}


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """`schema` with what it refers to, and what it may be besides null, written in place."""
    if "$ref" in schema:
        return _merged(definitions[schema["$ref"].removeprefix("#/$defs/")], schema, definitions)
    if "anyOf" in schema:
        (given,) = (part for part in schema["anyOf"] if part.get("type") != "null")
        return _merged(given, schema, definitions)
    return schema


def _merged(
    inner: dict[str, Any], outer: dict[str, Any], definitions: dict[str, Any]
) -> dict[str, Any]:
    inner = _resolved(inner, definitions)
    validations = [*inner.get(VALIDATIONS, []), *outer.get(VALIDATIONS, [])]
    return {**inner, **outer, VALIDATIONS: validations}
