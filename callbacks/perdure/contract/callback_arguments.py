"""The arguments of callbacks in a manifest: what they may be, and a sentence for what does not fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

MOST_NAMES = 20  # a sentence that lists more is not read
REFERENCE = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
"""Something in a module of the user's, as `module:name`."""


class Default(Enum):
    """Stands for the default of an argument that has none."""

    REQUIRED = "required"


def is_reference(value: Any) -> bool:
    """Whether `value` names something as `module:name`."""
    return isinstance(value, str) and re.fullmatch(REFERENCE, value, re.ASCII) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Type:
    """A type of a value: what it is called, and whether a value is of it."""

    words: str
    fits: Callable[[Any], bool]


TYPES = {
    "integer": Type("a whole number", lambda value: _is_number(value) and isinstance(value, int)),
    "number": Type("a number", _is_number),
    "boolean": Type("true or false", lambda value: isinstance(value, bool)),
    "string": Type("a string", lambda value: isinstance(value, str)),
    "array": Type("a list", lambda value: isinstance(value, list)),
    "object": Type("a mapping", lambda value: isinstance(value, dict)),
    "null": Type("null", lambda value: value is None),
    "function": Type("the name of a function as module:function", is_reference),
}
"""JSON's types, and functions, which are given by name."""


@dataclass(frozen=True)
class Argument:
    """An argument: of one of `types`, or one of `choices`. `since` is the first Keras of the supported
    range that has it, empty if all do; `is_extra` is set where Keras takes it by `**kwargs`.
    """

    name: str
    types: tuple[str, ...]
    default: Any = None
    choices: tuple[str, ...] = ()
    since: str = ""
    is_extra: bool = False

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is Default.REQUIRED

    @property
    def is_function(self) -> bool:
        """Whether its strings name functions."""
        return "function" in self.types

    def fits(self, value: Any) -> bool:
        """Whether `value` is of one of the types, or one of the choices."""
        is_choice = isinstance(value, str) and value in self.choices
        return is_choice or any(TYPES[name].fits(value) for name in self.types)

    def expected(self) -> str:
        """What it may be, in words."""
        words = [*(repr(choice) for choice in self.choices), *(TYPES[t].words for t in self.types)]
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


@dataclass(frozen=True)
class Signature:
    """The names of the arguments that a class takes; `takes_any` if by `**kwargs` any other too."""

    names: tuple[str, ...]
    required: tuple[str, ...] = ()
    takes_any: bool = False


def misfits(where: str, name: str, given: Mapping[str, Any], signature: Signature) -> Iterator[str]:
    """A sentence for each argument that class `name` does not have or cannot do without."""
    for key in given:
        if key not in signature.names and not signature.takes_any:
            yield (
                f"{where}.args.{key}: expected an argument of {name}. Received: {key!r}."
                f"{hint(key, signature.names)}"
            )
    for key in signature.required:
        if key not in given:
            yield f"{where}.args.{key}: expected a value, which {name} needs. Received: nothing."


def wrong_values(
    where: str, given: Mapping[str, Any], arguments: Iterable[Argument]
) -> Iterator[str]:
    """A sentence for each value that is not what its argument may be."""
    for argument in arguments:
        if argument.name in given and not argument.fits(given[argument.name]):
            yield (
                f"{where}.args.{argument.name}: expected {argument.expected()}. "
                f"Received: {given[argument.name]!r:.60}."
            )


def hint(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` where a known name is close to `name`, else which there are, if few."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    if close:
        return f" Did you mean {folded[close[0]]!r}?"
    return f" Known: {', '.join(folded.values())}." if 0 < len(folded) <= MOST_NAMES else ""
