"""When to save, as the variable PERDURE_EVERY says it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from decimal import Decimal

from perdure.contract.environment import EVERY, InvalidSetting


@dataclass(frozen=True)
class Budget:
    """What saving on `auto` may cost.

    `least_seconds` is the shortest interval, `overhead` a share of the training time. Bytes sent and
    requests (writing, reading, listing and deleting) are per hour, on average.
    """

    least_seconds: float = 60.0
    overhead: float = 0.01
    bytes_per_hour: float = 100 * 2.0**30
    requests_per_hour: float = 10_000.0

    def __str__(self) -> str:
        """What differs from the defaults, as `parse` reads it."""
        texts = (
            ("min", f"{_digits(self.least_seconds)} s"),
            ("overhead", f"{_digits(round(100 * self.overhead, 10))} %"),
            ("bytes", f"{_digits(self.bytes_per_hour)}/h"),
            ("requests", f"{_digits(self.requests_per_hour)}/h"),
        )
        default = Budget()
        return ",".join(
            f"{name}={text}"
            for (name, text), f in zip(texts, fields(Budget), strict=True)
            if getattr(self, f.name) != getattr(default, f.name)
        )

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Parse such as `min=60 s,overhead=1 %,bytes=100Gi/h,requests=10000/h`, each optional.

        Raises:
            ValueError: it is something else.
        """
        match = re.fullmatch(_BUDGET, text)
        if match is None:
            raise ValueError("not a budget")
        values = {
            "least_seconds": _number(match["least"]),
            "overhead": _number(match["overhead"], 1 / 100),
            "bytes_per_hour": _number(match["bytes"], _UNITS[match["unit"] or ""]),
            "requests_per_hour": _number(match["requests"]),
        }
        given = {name: value for name, value in values.items() if value is not None}
        if (
            not all(0 < value < math.inf for value in given.values())
            or given.get("overhead", 0) > 1
        ):
            raise ValueError("a budget of nothing, or of more than all")
        return cls(**given)


_DECIMAL = r"\d+(?:\.\d+)?"
_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_PARTS = (
    rf"min=(?P<least>{_DECIMAL}) ?s",
    rf"overhead=(?P<overhead>{_DECIMAL}) ?%",
    rf"bytes=(?P<bytes>{_DECIMAL})(?P<unit>Ki|Mi|Gi|Ti)?/h",
    rf"requests=(?P<requests>{_DECIMAL})/h",
)
_BUDGET = "(?=[a-z])" + "".join(rf"(?:(?:^|,){part})?" for part in _PARTS)


@dataclass(frozen=True)
class Every:
    """When to save: `auto` within a budget, or a count of steps, seconds or epochs."""

    unit: str = "auto"
    count: float = 0
    budget: Budget = Budget()

    def __str__(self) -> str:
        if self.unit == "auto":
            return ",".join(filter(None, ("auto", str(self.budget))))
        return f"{_digits(self.count)} {self.unit}"

    @classmethod
    def parse(cls, text: str) -> Every:
        """Parse `auto`, `auto,min=5 s,requests=100/h`, `500 steps`, `30 s` or `1 epoch`.

        Raises:
            InvalidSetting: it is something else.
        """
        mode, comma, budget = text.strip().partition(",")
        if mode == "auto":
            return cls(budget=_budget(budget, text)) if comma else cls()
        match = re.fullmatch(rf"\s*({_DECIMAL})\s*(steps?|s|seconds?|epochs?)\s*", text)
        if match is None or float(match[1]) <= 0:
            raise InvalidSetting(
                f"{EVERY}: expected 'auto', or a positive number of steps, s or epochs such as "
                f"'500 steps', '30 s' or '1 epoch'. Received: {text!r}."
            )
        unit = {"st": "steps", "ep": "epochs"}.get(match[2][:2], "s")
        if unit != "s" and not float(match[1]).is_integer():
            raise InvalidSetting(f"{EVERY}: expected a whole number of {unit}. Received: {text!r}.")
        return cls(unit, float(match[1]))


def _budget(text: str, whole: str) -> Budget:
    try:
        return Budget.parse(text)
    except ValueError as error:
        raise InvalidSetting(
            f"{EVERY}: expected after 'auto' any of 'min=60 s', 'overhead=1 %', 'bytes=100Gi/h' and "
            f"'requests=10000/h', in this order, separated by ',', each above 0 and the overhead at "
            f"most 100 %. Received: {whole!r}."
        ) from error


def _number(text: str | None, factor: float = 1) -> float | None:
    return float(text) * factor if text is not None else None


def _digits(number: float) -> str:
    """Without an exponent."""
    return f"{Decimal(repr(number)).normalize():f}"
