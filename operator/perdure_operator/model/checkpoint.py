"""Where a job's checkpoints go, how often one is made and which are kept."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.alias_generators import to_snake

from perdure_operator.model.base import ObjectName, Positive, Quantity, Strict, Text, Whole
from perdure_operator.model.rules import Rule, at_least, at_most, matches, plain

_STORE = re.compile(
    r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#@]*)?|file:///[^?#]*[^?#/][^?#]*", re.ASCII
)
_CREDENTIALS = r"(?s)://.*@"  # a secret key may have slashes

_USABLE_STORE = Rule(
    holds=lambda it: it.store is None or _STORE.fullmatch(it.store) is not None,
    cel=f"!has(self.store) || self.store.matches(r'^({_STORE.pattern})$')",
    sentence="expected s3://bucket/prefix or file:///folder. Received: '{}'.",
    received=lambda it: plain(re.sub(_CREDENTIALS, "://...@", it.store, count=1)),
    received_cel=f"self.store.matches(r'{_CREDENTIALS}') ? "
    f"self.store.replace(self.store.find(r'{_CREDENTIALS}'), '://...@') : self.store",
    field="store",
)
"""Of the whole object, for the API server repeats the value that a rule of its own refuses; some
write credentials into an address."""


class IntervalMode(StrEnum):
    """The unit in which the time between two checkpoints is given."""

    AUTO = "Auto"
    STEPS = "Steps"
    SECONDS = "Seconds"
    EPOCHS = "Epochs"


_SOME = matches(
    r"[0.]*[1-9].*",
    "expected a quantity above 0 such as '100Gi'. Received: {}.",
    "string(self)",
)


def _only_with_auto(field: str) -> Rule:
    """A field of the budget, which bounds what Auto decides and nothing else."""
    attribute = to_snake(field)
    return Rule(
        holds=lambda it: getattr(it, attribute) is None or it.mode is IntervalMode.AUTO,
        cel=f"!has(self.{field}) || !has(self.mode) || self.mode == 'Auto'",
        sentence="expected nothing with mode {}: the budget is what Auto keeps to. Leave it out.",
        received=lambda it: str(it.mode),
        received_cel="self.mode",
        field=field,
    )


class Interval(Strict):
    """How often a checkpoint is made."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds=lambda it: it.value is None or it.mode is not IntervalMode.AUTO,
            cel="!has(self.value) || has(self.mode) && self.mode != 'Auto'",
            sentence="expected no value with mode Auto. Received: {}. "
            "Set mode to Steps, Seconds or Epochs.",
            received=lambda it: str(it.value),
            received_cel="self.value",
            field="value",
        ),
        Rule(
            holds=lambda it: it.value is not None or it.mode is IntervalMode.AUTO,
            cel="has(self.value) || !has(self.mode) || self.mode == 'Auto'",
            sentence="expected a whole number of {}, at least 1. Received: nothing.",
            received=lambda it: str(it.mode.lower()),
            received_cel="self.mode.lowerAscii()",
            field="value",
        ),
        *map(
            _only_with_auto,
            ("minSeconds", "overheadPercent", "bytesPerHour", "requestsPerHour"),
        ),
    )

    mode: Annotated[IntervalMode, Field(strict=False)] = IntervalMode.AUTO
    """Auto weighs the cost of saving against interruptions; the others count with `value`."""
    value: Positive | None = None
    """After how many steps, seconds or epochs; not together with Auto."""
    min_seconds: Positive | None = None
    """Auto saves no more often than this. Default: 60."""
    overhead_percent: Annotated[Whole, at_least(1), at_most(100)] | None = None
    """Auto takes no greater share of the training time. Default: 1."""
    bytes_per_hour: Annotated[Quantity, _SOME] | None = None
    """Auto sends no more bytes on average, such as 100Gi, the default."""
    requests_per_hour: Positive | None = None
    """Auto makes no more requests to the store on average. Default: 10000."""


class Best(Strict):
    """Which checkpoint is the best one."""

    monitor: Annotated[
        Text,
        Rule(
            holds=lambda name: "," not in name and ":" not in name,
            cel="!self.contains(',') && !self.contains(':')",
            sentence="expected the name of a metric, without ',' and ':'. Received: '{}'.",
        ),
    ]
    """The entry of the training log that is compared, such as val_loss."""
    mode: Literal["min", "max"] = "min"
    """Whether a smaller (min) or a larger (max) value is better."""


class Keep(Strict):
    """Which checkpoints are kept; the others are deleted."""

    last: Positive = 3
    """How many of the newest; at least two stay all the same."""
    every_steps: Positive | None = None
    """The first at or after each multiple of so many train steps too."""
    every_hours: Positive | None = None
    """The first of all, and the first at or after each so many hours since it, too."""
    best: Best | None = None
    """The best one too, by a monitored value."""


class Checkpoint(Strict):
    """The checkpoints of a job."""

    rules: ClassVar[tuple[Rule, ...]] = (_USABLE_STORE,)

    store: Annotated[str, Field(max_length=1024)] | None = None
    """s3://bucket/prefix or file:///folder. Default: what the installation was given; with `perdure
    run` a .perdure folder in the current directory."""
    interval: Interval = Interval()
    """How often a checkpoint is made."""
    keep: Keep = Keep()
    """Which checkpoints are kept."""
    credentials_secret: ObjectName | None = None
    """The Secret with the store's credentials; without it, the service account's identity."""
