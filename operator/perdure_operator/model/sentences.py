"""What pydantic found wrong, as sentences for the person who wrote the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from perdure_operator.model.rules import RULE, needed
from perdure_operator.model.suggest import close_name

_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
}


def sentences(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """One line per error: the field's path, what was expected, what was received, what to do.

    Keys that are no strings are left to the reading of the document, which knows their lines.
    """
    details = error.errors(include_url=False)
    return [_sentence(detail, root) for detail in details if not _is_of_a_key(detail)]


def unknown_fields_of(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Like `sentences`, of the unknown fields alone."""
    details = error.errors(include_url=False)
    return [_sentence(detail, root) for detail in details if detail["type"] == "extra_forbidden"]


def _is_of_a_key(detail: ErrorDetails) -> bool:
    return detail["type"] == "invalid_key" or "[key]" in detail["loc"]


def _sentence(detail: ErrorDetails, root: type[BaseModel]) -> str:
    path, context = detail["loc"], detail.get("ctx", {})
    if detail["type"] == RULE:
        below = (context["field"],) if context["field"] else ()
        return f"{dotted((*path, *below))}: {context['sentence']}"
    if detail["type"] == "extra_forbidden":
        return f"{dotted(path)}: unknown field.{_suggestion(path, root)}"
    if detail["type"] == "missing":
        return f"{dotted(path)}: expected {_needed(path, root)}. Received: nothing."
    return f"{dotted(path)}: expected {_expected(detail)}. Received: {_received(detail)}"


def _expected(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "literal_error" | "enum":
            return str(context["expected"]).replace("'", "")
        case "less_than_equal":
            return f"at most {context['le']}"
        case "too_long":
            return f"at most {context['max_length']} entries"
        case "string_too_long":
            return f"at most {context['max_length']} characters"
        case kind:
            return _EXPECTED.get(kind, detail["msg"])


def _received(detail: ErrorDetails) -> str:
    """The value, and a hint. A value of an environment variable may be a secret: only its kind."""
    value, path = detail["input"], detail["loc"]
    is_scalar = isinstance(value, bool | int | float)
    hint = ""
    if detail["type"] == "string_type" and is_scalar:
        hint = " Quote it."
    if detail["type"] in {"literal_error", "enum"}:
        choices = str(detail.get("ctx", {})["expected"]).replace("'", "").replace(" or ", ", ")
        hint = close_name(str(value), choices.split(", "))
    if detail["type"] in {"too_long", "string_too_long"}:
        return f"{len(value)}."
    if "env" in path and path[-1] != "name":
        return f"{_KINDS.get(type(value), 'a mapping')}.{hint}"
    return f"{shown(value)}.{hint}"


def shown(value: Any) -> str:
    """`value` as JSON, cut where it is long; aliases can make it longer than any memory."""
    text = ""
    for part in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
        text += part
        if len(text) > 60:
            return text[:57] + "..."
    return text


def dotted(path: tuple[int | str, ...]) -> str:
    """`spec.callbacks[0].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the manifest"


def _needed(path: tuple[int | str, ...], root: type[BaseModel]) -> str:
    field = _fields(_model_at(path[:-1], root)).get(str(path[-1]))
    return needed(field) if field else "a value"


def _suggestion(path: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """A close name in the same place, the same name in another place, or the names there are."""
    name, known = str(path[-1]), _fields(_model_at(path[:-1], root))
    close = close_name(name, known)
    if close:
        return close
    elsewhere = [place for place in _places(root) if place.rpartition(".")[2] == name]
    if elsewhere:
        return f" Did you mean {min(elsewhere, key=lambda place: place.count('.'))}?"
    return f" Known here: {', '.join(known)}." if len(known) <= 10 else ""


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    return {f.alias or name: f for name, f in model.model_fields.items()} if model else {}


def _model_at(path: tuple[int | str, ...], root: type[BaseModel]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = root
    for part in path:
        if isinstance(part, str):
            field = _fields(model).get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The manifest type in `list[X]`, `X | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _places(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in _fields(model).items():
        yield prefix + name
        below = _model_in(field.annotation)
        if below is not None:
            yield from _places(below, f"{prefix}{name}.")
