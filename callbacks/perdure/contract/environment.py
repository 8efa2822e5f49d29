"""The environment variables that configure a trainer. All are optional.

The operator and the local runner set them; a user may too. Endpoint, region and credentials of S3
are boto3's own variables and files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

STORE = "PERDURE_STORE"
JOB = "PERDURE_JOB"
EVERY = "PERDURE_EVERY"
KEEP = "PERDURE_KEEP"
PRICES = "PERDURE_PRICES"
ATTEMPT = "PERDURE_ATTEMPT"
SEED = "PERDURE_SEED"
THREADS = "PERDURE_THREADS"
GRACE = "PERDURE_GRACE"
PROGRAM = "PERDURE_PROGRAM"
TRAINER = "PERDURE_TRAINER"
CONTINUE = "PERDURE_CONTINUE"
CALLBACKS = "PERDURE_CALLBACKS"
STORE_DEADLINE = "PERDURE_STORE_DEADLINE"
SSE = "PERDURE_SSE"
METRICS_PORT = "PERDURE_METRICS_PORT"
TERMINATION_LOG = "PERDURE_TERMINATION_LOG"
REQUEST_FILE = "PERDURE_REQUEST_FILE"

ALL = frozenset(value for name, value in globals().items() if name.isupper())
SETTABLE = frozenset({PRICES, SSE, STORE_DEADLINE})
"""Those that are the user's own to set: in spec.env, or in the shell for `perdure run`."""

DEFAULT_METRICS_PORT = 9464
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
DEFAULT_GRACE_SECONDS = 30.0
DEFAULT_STORE_DEADLINE_SECONDS = 300.0
DEFAULT_THREADS = 4


class InvalidSetting(ValueError):
    """A setting that cannot be used; the message names it, what was expected and received."""


@dataclass(frozen=True)
class Job:
    """Which lineage: namespace / name / run, the folders below the store's prefix."""

    namespace: str
    name: str
    run: str = "1"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}/{self.run}"

    @classmethod
    def parse(cls, text: str) -> Job:
        """Parse `namespace/name/run`."""
        parts = text.split("/")
        if len(parts) != 3 or not all(
            re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", p) for p in parts
        ):
            raise InvalidSetting(
                f"{JOB}: expected namespace/name/run, each of at most 253 letters, digits, '.', '_' "
                f"and '-'. "
                f"Received: {text!r}."
            )
        return cls(*parts)


@dataclass(frozen=True)
class Keep:
    """Which checkpoints to keep: the newest `last`, the best by a monitored value, the first at or
    after each multiple of `every_steps` steps, and after each `every_hours` hours since the first.
    """

    last: int = 3
    monitor: str | None = None
    mode: str = "min"
    every_steps: int | None = None
    every_hours: int | None = None

    def __str__(self) -> str:
        parts = (
            f"last={self.last}",
            f"every={self.every_steps} steps" if self.every_steps else "",
            f"every={self.every_hours} h" if self.every_hours else "",
            f"best={self.best}" if self.best else "",
        )
        return ",".join(filter(None, parts))

    @property
    def best(self) -> str | None:
        """`monitor:mode`, what the best is chosen by: values of anything else are not compared."""
        return f"{self.monitor}:{self.mode}" if self.monitor else None

    @classmethod
    def parse(cls, text: str) -> Keep:
        """Parse `last=3`, or with more in this order: `last=3,every=1000 steps,every=6 h,best=val_loss:min`."""
        match = re.fullmatch(_KEEP, text)
        if match is None:
            raise InvalidSetting(
                f"{KEEP}: expected 'last=N', and where wanted in this order 'every=N steps', "
                f"'every=N h' and 'best=MONITOR:min|max', separated by ',', each N whole and at least "
                f"1. Received: {text!r}."
            )
        steps, hours = (int(match[n]) if match[n] else None for n in ("steps", "hours"))
        return cls(int(match["last"]), match["monitor"], match["mode"] or "min", steps, hours)


_WHOLE = r"[1-9]\d*"
_KEEP = (
    rf"last=(?P<last>{_WHOLE})(?:,every=(?P<steps>{_WHOLE}) steps?)?(?:,every=(?P<hours>{_WHOLE}) h)?"
    r"(?:,best=(?P<monitor>[^:,]+):(?P<mode>min|max))?"
)


@dataclass(frozen=True)
class Encryption:
    """The encryption that S3 is asked for with each write; of nothing: the bucket's own default."""

    algorithm: str = ""
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Encryption:
        """Parse `AES256`, `aws:kms` or `aws:kms:KEY`; empty: no wish."""
        if text in ("", "AES256"):
            return cls(text)
        match = re.fullmatch(r"aws:kms(?::(?!dsse)([\w:/.-]+))?", text)
        if match is None:
            raise InvalidSetting(
                f"{SSE}: expected 'AES256', 'aws:kms' or 'aws:kms:KEY' with a key's id or ARN. "
                f"Received: {text!r}."
            )
        return cls("aws:kms", match[1] or "")


def number(environ: Mapping[str, str], name: str, default: float, *, least: float = 0) -> float:
    """The number in variable `name`, at least `least`; `default` where unset or empty."""
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (math.isfinite(value) and value >= least):
        raise InvalidSetting(
            f"{name}: expected a number of at least {least:g}. Received: {text!r}."
        )
    return value


def whole_number(environ: Mapping[str, str], name: str, default: int, *, least: int = 0) -> int:
    """Like `number`, and whole."""
    value = number(environ, name, default, least=least)
    if not value.is_integer():
        raise InvalidSetting(f"{name}: expected a whole number. Received: {environ[name]!r}.")
    return int(value)
