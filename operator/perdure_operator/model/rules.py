"""A rule for a value, said once: what is checked here, what the API server checks, the sentence.

The Python side and the side in CEL (the language of a CustomResourceDefinition's rules) stand
beside each other and share the sentence; a test feeds both the same manifests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_snake
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

RULE = "rule"
"""The type of the errors raised by `refuse`, whose message is a whole sentence."""
VALIDATIONS = "x-kubernetes-validations"
"""The keyword of a schema under which the API server finds its rules."""


def refuse(sentence: str, *, field: str = "") -> NoReturn:
    """Refuse a value with a whole sentence; `field` names the field below the one validated."""
    raise PydanticCustomError(RULE, "{sentence}", {"sentence": sentence, "field": field})


def plain(value: Any) -> str:
    """`value` in one line."""
    return repr(value)[1:-1] if isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Rule:
    """A rule for a value: the mark of a field's type, or one of a type's `rules`.

    In `sentence`, `{}` stands for what was received: `received(value)`, in CEL `received_cel`. A
    rule of a whole object names the `field` to blame.
    """

    holds: Callable[[Any], bool]
    cel: str
    sentence: str
    received: Callable[[Any], str] = plain
    received_cel: str = "self"
    field: str = ""

    def check(self, value: Any) -> Any:
        """Refuse `value` unless the rule holds for it."""
        if not self.holds(value):
            said = self.sentence.replace("{}", self.received(value)) if self._has_value else None
            refuse(said or self.sentence, field=self.field)
        return value

    def validation(self) -> dict[str, str]:
        """The rule as the API server reads it."""
        said = {"messageExpression": self._message()} if self._has_value else {}
        where = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, **(said or {"message": self.sentence}), **where}

    def of(self, path: str) -> dict[str, str]:
        """The rule for the field at `path`, as the API server reads it above that field."""
        rule = self.validation()
        above = {key: re.sub(r"\bself\b", f"self.{path}", text) for key, text in rule.items()}
        return {**above, "fieldPath": f".{path}"}

    @property
    def _has_value(self) -> bool:
        return "{}" in self.sentence

    def _message(self) -> str:
        """Formatted: what a sum of strings may cost cannot be told where one was a number."""
        text = self.sentence.replace("%", "%%").replace("{}", "%s")
        return f"{json.dumps(text)}.format([{self.received_cel}])"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core)
        return {**schema, VALIDATIONS: [*schema.get(VALIDATIONS, []), self.validation()]}


def matches(pattern: str, sentence: str, text_cel: str = "self") -> Rule:
    """The whole text matches `pattern`, which Python and RE2 read alike (ASCII, no lookaround)."""
    expression = re.compile(pattern, re.ASCII)
    return Rule(
        holds=lambda text: expression.fullmatch(text) is not None,
        cel=f"{text_cel}.matches(r'^({pattern})$')",
        sentence=sentence,
    )


def at_least(least: int) -> Rule:
    """The number is at least `least`."""
    return Rule(
        holds=lambda number: bool(number >= least),
        cel=f"self >= {least}",
        sentence=f"expected at least {least}. Received: {{}}.",
    )


def at_most(most: int) -> Rule:
    """The number is at most `most`."""
    return Rule(
        holds=lambda number: bool(number <= most),
        cel=f"self <= {most}",
        sentence=f"expected at most {most}. Received: {{}}.",
    )


def each_once(field: str) -> Rule:
    """The items of the list differ in `field`."""
    attribute = to_snake(field)

    def repeated(items: Iterable[Any]) -> list[str]:
        values = [getattr(item, attribute) for item in items]
        return [value for value in values if values.count(value) > 1]

    is_alone = f"self.exists_one(b, has(b.{field}) && b.{field} == a.{field})"
    return Rule(
        holds=lambda items: not repeated(items),
        cel=f"self.all(a, !has(a.{field}) || {is_alone})",
        sentence=f"expected each {field} once. Received more than once: {{}}.",
        received=lambda items: plain(repeated(items)[0]),
        received_cel=f"self.filter(a, has(a.{field}) && !{is_alone})[0].{field}",
    )


def exactly_one(*fields: str) -> Rule:
    """Exactly one of the fields is given."""
    attributes = [to_snake(field) for field in fields]

    def given(value: Any) -> int:
        return sum(getattr(value, attribute) is not None for attribute in attributes)

    present = f"[{', '.join(f'has(self.{field})' for field in fields)}]"
    return Rule(
        holds=lambda value: given(value) == 1,
        cel=f"{present}.exists_one(given, given)",
        sentence=f"expected exactly one of {', '.join(fields)}. Received: {{}} of them.",
        received=lambda value: str(given(value)),
        received_cel=f"{present}.filter(given, given).size()",
    )


def needed(field: FieldInfo) -> str:
    """What a field that is missing is for, from its docstring; if its value is fixed, the value."""
    fixed = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    return fixed[0] if len(fixed) == 1 else _in_sentence(str(field.description))


def _in_sentence(description: str) -> str:
    first = " ".join(description.split()).partition(". ")[0].rstrip(".")
    return first[0].lower() + first[1:]


def is_given(name: str, expected: str) -> dict[str, str]:
    """The API server's rule that field `name` is there."""
    return {
        "rule": f"has(self.{name})",
        "message": f"expected {expected}. Received: nothing.",
        "fieldPath": f".{name}",
        "reason": "FieldValueRequired",
    }
