"""The base of all manifest types, and the small types they share.

Every string under a rule and every list has a bound: the API server weighs what a rule may cost at
most, and refuses a definition whose rules it cannot weigh.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from perdure_operator.model.rules import (
    VALIDATIONS,
    Rule,
    at_least,
    is_given,
    matches,
    needed,
    plain,
)


class Strict(BaseModel):
    """A part of a manifest: frozen, no coercion of types, no unknown field, every rule obeyed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What holds between the fields."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, data: Any) -> Any:
        """Drop nulls, as the API server does: `activeDeadlineSeconds: ~` is no deadline."""
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data

    @model_validator(mode="after")
    def _rules_hold(self) -> Strict:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """With the rules, of which that a field is there is one: it then has our sentence."""
        reference = handler(core)
        schema = handler.resolve_ref_schema(reference)
        schema.pop("required", None)
        missing = [
            is_given(field.alias or name, needed(field))
            for name, field in cls.model_fields.items()
            if field.is_required()
        ]
        schema[VALIDATIONS] = [*missing, *(rule.validation() for rule in cls.rules)]
        return reference


_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,2})|([KMGTPE]i|[numkMGTPE]?))"


def parse_quantity(text: str) -> Decimal:
    """The value of a Kubernetes quantity such as `500m`, `2` or `16Gi`.

    Raises:
        ValueError: `text` is not a quantity of at least 0.
    """
    match = re.fullmatch(_QUANTITY, text, re.ASCII)
    if match is None:
        raise ValueError(f"not a quantity: {text!r}")
    number, exponent, suffix = Decimal(match[1]), match[2], match[3] or ""
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    return number.scaleb(int(exponent) if exponent else _DECIMAL[suffix])


def _digits(value: Any) -> Any:
    """A whole number is a quantity too: `cpu: 2`."""
    return str(value) if type(value) is int else value


T = TypeVar("T")
MOST_ITEMS = 64
Items = Annotated[list[T], Field(max_length=MOST_ITEMS)]
"""A list with the bound that Perdure sets for lists."""
Entries = Annotated[dict[str, T], Field(max_length=MOST_ITEMS)]
"""A mapping with the bound that Perdure sets for mappings."""

Text = Annotated[
    str,
    Field(max_length=1024),
    Rule(bool, "self != ''", 'expected a string that is not empty. Received: "".'),
]
Whole = Annotated[int, Field(le=2**31 - 1, json_schema_extra={"format": "int32"})]
Count = Annotated[Whole, at_least(0)]
Positive = Annotated[Whole, at_least(1)]
Quantity = Annotated[
    str,
    BeforeValidator(_digits),
    Field(max_length=32),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 32}),
    matches(
        _QUANTITY,
        "expected a quantity of at least 0 such as 2, '500m' or '16Gi'. Received: {}.",
        "string(self)",
    ),
]
LABEL = matches(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
    "expected a DNS-1123 label: at most 63 of a-z, 0-9 and '-', beginning and ending with "
    "a letter or digit. Received: '{}'.",
)
Label = Annotated[str, Field(max_length=253), LABEL]
ObjectName = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "expected the name of an object: a-z, 0-9, '-' and '.', beginning and ending with a "
        "letter or digit. Received: '{}'.",
    ),
]
LabelValue = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?",
        "expected at most 63 letters, digits, '.', '_' and '-', beginning and ending with a "
        "letter or digit. Received: '{}'.",
    ),
]
_KEY = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"


def _wrong_keys(entries: dict[str, Any]) -> list[str]:
    return [key for key in entries if not re.fullmatch(_KEY, key)]


KEYS = Rule(
    holds=lambda entries: not _wrong_keys(entries),
    cel=f"self.all(key, key.matches(r'^({_KEY})$'))",
    sentence="expected keys such as team or example.com/team. Received: '{}'.",
    received=lambda entries: plain(_wrong_keys(entries)[0]),
    received_cel=f"self.filter(key, !key.matches(r'^({_KEY})$'))[0]",
)
"""The keys of labels and annotations, and the names of resources."""
Labels = Annotated[Entries[LabelValue], KEYS]
Mapping = dict[str, Any]
"""An object of which only the name is known."""
