"""The base of all manifest types, the small types they share, and how a rule is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

RULE = "rule"
"""The type of the errors raised by `refuse`, whose message is a whole sentence."""


class Strict(BaseModel):
    """A part of a manifest: frozen, no coercion of types, no unknown field."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, data: Any) -> Any:
        """Drop nulls, as the API server does: `activeDeadlineSeconds: ~` is no deadline."""
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


def refuse(sentence: str, *, field: str = "") -> NoReturn:
    """Refuse a value with a whole sentence; `field` names the field below the one validated."""
    raise PydanticCustomError(RULE, "{sentence}", {"sentence": sentence, "field": field})


_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,2})|([KMGTPE]i|[numkMGTPE]?))")


def parse_quantity(text: str) -> Decimal:
    """The value of a Kubernetes quantity such as `500m`, `2` or `16Gi`.

    Raises:
        ValueError: `text` is not a quantity of at least 0.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"not a quantity: {text!r}")
    number, exponent, suffix = Decimal(match[1]), match[2], match[3] or ""
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    return number.scaleb(int(exponent) if exponent else _DECIMAL[suffix])


def _quantity(value: Any) -> str:
    """Kubernetes takes numbers and strings for quantities; both become a string."""
    text = str(value) if isinstance(value, int | float | str) and value is not True else ""
    try:
        parse_quantity(text)
    except ValueError:
        refuse(
            f"expected a quantity of at least 0 such as 2, '500m' or '16Gi'. Received: {value!r}."
        )
    return text


Quantity = Annotated[str, BeforeValidator(_quantity)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Mapping = dict[str, Any]
"""A Kubernetes object that is known by name and passed on as it is."""
