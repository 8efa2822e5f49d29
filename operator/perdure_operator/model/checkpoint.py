"""Where a job's checkpoints go, how often one is made and which are kept."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from perdure_operator.model.base import Positive, Strict, Text, refuse

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def _store_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    shown = re.sub(r"://[^/]*@", "://...@", url)  # never the credentials that some put there
    if scheme == "file" and rest and not rest.startswith("/"):
        refuse(f"expected file:/// and an absolute path. Received: {shown!r}, with a host.")
    usable = (scheme == "file" and rest.strip("/")) or (
        scheme == "s3" and _BUCKET.fullmatch(bucket)
    )
    if not usable or "?" in url or "#" in url:
        refuse(f"expected s3://bucket/prefix or file:///folder. Received: {shown!r}.")
    return url


def _monitor(name: str) -> str:
    if "," in name or ":" in name:
        refuse(f"expected the name of a metric, without ',' and ':'. Received: {name!r}.")
    return name


class IntervalMode(StrEnum):
    """The unit in which the time between two checkpoints is given."""

    AUTO = "Auto"
    STEPS = "Steps"
    SECONDS = "Seconds"
    EPOCHS = "Epochs"


class Interval(Strict):
    """How often a checkpoint is made."""

    mode: Annotated[IntervalMode, Field(strict=False)] = IntervalMode.AUTO
    """Auto weighs the cost of saving against interruptions; the others count with `value`."""
    value: Positive | None = None
    """After how many steps, seconds or epochs; not together with Auto."""

    @model_validator(mode="after")
    def _value_fits_mode(self) -> Interval:
        if self.mode is IntervalMode.AUTO and self.value is not None:
            refuse(
                f"expected no value with mode Auto. Received: {self.value}. "
                "Set mode to Steps, Seconds or Epochs.",
                field="value",
            )
        if self.mode is not IntervalMode.AUTO and self.value is None:
            refuse(
                f"expected a whole number of {self.mode.lower()}, at least 1. Received: nothing.",
                field="value",
            )
        return self


class Best(Strict):
    """Which checkpoint is the best one."""

    monitor: Annotated[Text, AfterValidator(_monitor)]
    """The entry of the training log that is compared, such as val_loss."""
    mode: Literal["min", "max"] = "min"
    """Whether a smaller (min) or a larger (max) value is better."""


class Keep(Strict):
    """Which checkpoints are kept; the others are deleted."""

    last: Positive = 3
    """How many of the newest."""
    best: Best | None = None
    """The best one too, by a monitored value."""


class Checkpoint(Strict):
    """The checkpoints of a job."""

    store: Annotated[Text, AfterValidator(_store_url)] | None = None
    """s3://bucket/prefix or file:///folder. Default: what the installation was given; with `perdure
    run` a .perdure folder in the current directory."""
    interval: Interval = Interval()
    """How often a checkpoint is made."""
    keep: Keep = Keep()
    """Which checkpoints are kept."""
    credentials_secret: Text | None = None
    """The Secret with the store's credentials; without it, the service account's identity."""
