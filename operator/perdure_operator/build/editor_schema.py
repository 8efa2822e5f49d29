"""The JSON schema that editors complete and check a manifest by: draft 7, as yaml-language-server reads it.

Of the same types as the CustomResourceDefinition, and stricter in two ways: a field that is not known is
marked, and the arguments of Keras' callbacks are known, of the whole supported range of Keras.
"""

from __future__ import annotations

from typing import Any

from perdure.contract.callback_arguments import REFERENCE, Argument
from perdure.contract.keras_callbacks import BY_NAME, NAMES, KerasCallback
from perdure.contract.labels import API_VERSION, KIND
from perdure_operator.build.structural_schema import structural_schema
from perdure_operator.model.base import MOST_ITEMS
from perdure_operator.model.job import Metadata, Spec, TrainingJob

_KEYWORDS = (
    "type", "description", "format", "enum", "maximum", "maxLength", "maxItems", "maxProperties",
)  # fmt: skip
_NAMED: dict[str, Any] = {"type": "string", "pattern": f"^{REFERENCE}$"}
_DOCUMENTATION = "https://keras.io/api/callbacks/"

Schema = dict[str, Any]


def editor_schema() -> Schema:
    """The schema of a whole manifest."""
    spec = _closed(structural_schema(Spec))
    spec["required"] = ["command"]
    spec["properties"]["callbacks"]["items"] = _callback()
    metadata = _closed(structural_schema(Metadata))
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": KIND,
        "description": str(TrainingJob.__doc__),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": KIND},
            "metadata": {**metadata, "required": ["name"]},
            "spec": spec,
            "status": {"type": "object", "description": "Written by the operator."},
        },
        "additionalProperties": False,
    }


def _closed(schema: Schema) -> Schema:
    """A structural schema as plain JSON schema, with no field besides those that it names."""
    made: Schema = {key: schema[key] for key in _KEYWORDS if key in schema}
    if "x-kubernetes-int-or-string" in schema:
        made["type"] = ["integer", "string"]
    if "items" in schema:
        made["items"] = _closed(schema["items"])
    if "additionalProperties" in schema:
        made["additionalProperties"] = _closed(schema["additionalProperties"])
    if "properties" in schema:
        parts = schema["properties"].items()
        fields = {name: _or_null(_closed(part)) for name, part in parts}
        made |= {"properties": fields, "additionalProperties": False}
    return made


def _or_null(schema: Schema) -> Schema:
    """Null is unset, as for the API server: `activeDeadlineSeconds: ~`."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    allowed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [*types, "null"], **allowed}


def _callback() -> Schema:
    return {
        "type": "object",
        "description": "A Keras callback, or one of one's own as module:Class.",
        "required": ["name"],
        "properties": {
            "name": {"anyOf": [{"enum": list(NAMES)}, _NAMED]},
            "args": {
                "type": "object",
                "description": "The arguments of the class, by name.",
                "maxProperties": MOST_ITEMS,
            },
        },
        "additionalProperties": False,
        "allOf": [_of(BY_NAME[name]) for name in NAMES],
    }


def _of(callback: KerasCallback) -> Schema:
    arguments: Schema = {
        "type": "object",
        "description": f"{_described(callback)} {_DOCUMENTATION}",
        "properties": {argument.name: _argument(argument) for argument in callback.arguments},
        "additionalProperties": False,
    }
    then: Schema = {"properties": {"args": arguments}}
    if callback.signature.required:
        arguments["required"] = list(callback.signature.required)
        then["required"] = ["args"]
    return {
        "if": {"properties": {"name": {"const": callback.name}}, "required": ["name"]},
        "then": then,
    }


def _described(callback: KerasCallback) -> str:
    kept = f"Kept over a resume: {callback.state}." if callback.state else ""
    return " ".join(filter(None, (f"{callback.name}.", _newer(callback.since), kept)))


def _newer(since: str) -> str:
    return f"Not in every supported Keras: from {since} on." if since else ""


def _argument(argument: Argument) -> Schema:
    types = [name for name in argument.types if name != "function"]
    ways: list[Schema] = [{"enum": list(argument.choices)}] if argument.choices else []
    ways += [{"type": types if len(types) > 1 else types[0]}] if types else []
    ways += [_NAMED] if argument.is_function else []
    made: Schema = ways[0] if len(ways) == 1 else {"anyOf": ways}
    if argument.since:
        made = {**made, "description": _newer(argument.since)}
    return made if argument.is_required else {**made, "default": argument.default}
