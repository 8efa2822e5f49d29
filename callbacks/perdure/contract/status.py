"""The status document: what a trainer says of itself.

Served as JSON at `GET /status` on the metrics port, and written as the container's termination
message (at most 4 KiB) when the process ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, NoReturn

SCHEMA = 1
TERMINATION_MESSAGE_LIMIT = 4096


class Activity(StrEnum):
    """What a trainer is doing; each second of an attempt belongs to exactly one of them."""

    STARTING = "Starting"
    RESTORING = "Restoring"
    REPLAYING = "Replaying"
    COMPILING = "Compiling"
    TRAINING = "Training"
    SAVING = "Saving"
    VALIDATING = "Validating"
    EVALUATING = "Evaluating"
    PREDICTING = "Predicting"
    SCRIPT = "Script"


class Kind(StrEnum):
    """The kinds of notices: each is said once per attempt."""

    PROGRAM_CHANGED = "ProgramChanged"
    ENVIRONMENT_CHANGED = "EnvironmentChanged"
    DATA_CHANGED = "DataChanged"
    DATA_NOT_EXACT = "DataNotExact"
    DATA_UNCERTAIN = "DataUncertain"
    STEP_NOT_EXACT = "StepNotExact"
    KERNELS_NOT_EXACT = "KernelsNotExact"
    CHECKPOINT_DAMAGED = "CheckpointDamaged"
    CALLBACK_NOT_CAPTURED = "CallbackNotCaptured"
    CALLBACK_FILES_BEHIND = "CallbackFilesBehind"
    CALLBACK_REPLACED = "CallbackReplaced"
    CONDITIONAL_WRITES_IGNORED = "ConditionalWritesIgnored"
    OLD_VERSIONS_KEPT = "OldVersionsKept"
    STORE_UNAVAILABLE = "StoreUnavailable"
    CLEANING_FAILED = "CleaningFailed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    FIT_NOT_ENDED = "FitNotEnded"
    MONITOR_MISSING = "MonitorMissing"
    GRACE_TOO_SHORT = "GraceTooShort"
    MEMORY_SHORT = "MemoryShort"
    REQUEST_REFUSED = "RequestRefused"
    SAVE_FAILED = "SaveFailed"


class Leaving(StrEnum):
    """What a trainer that is told to go does about its newest steps."""

    FINISH_SAVE = "FinishSave"
    SAVE_FRESH = "SaveFresh"
    SAVE_HELD = "SaveHeld"
    TRY_ANYWAY = "TryAnyway"
    KEEP_COMMITTED = "KeepCommitted"
    NOTHING_TO_SAVE = "NothingToSave"


@dataclass(frozen=True)
class Notice:
    """Something that the user should know, with the reason and what to do."""

    kind: str
    message: str


@dataclass(frozen=True)
class Metric:
    """A value of the training log; a string, because NaN is a value and JSON has none."""

    name: str
    value: str


@dataclass(frozen=True)
class Committed:
    """The last committed checkpoint."""

    record: int
    step: int
    time: str
    bytes: int
    digest: str


@dataclass(frozen=True)
class Departure:
    """What was decided when the process was told to go, and what that rested on (seconds).

    `grace_seconds` is None where nobody kills it. `left_seconds` were left of the grace, less a margin;
    `expected_seconds` is what the decision was expected to take, at a rate of `bytes_per_second`, None
    where none was measured.
    """

    decision: str
    grace_seconds: float | None
    left_seconds: float
    expected_seconds: float
    bytes_per_second: float | None = None


@dataclass(frozen=True)
class Ending:
    """How the process ended.

    `best_value` is the best of what is monitored in the last fit, a string as in `metrics`, and
    `best_epoch` where it was, counted from 0; both None where that is not known.
    """

    code: int
    reason: str
    message: str = ""
    digest: str | None = None
    monitor: str | None = None
    best_epoch: int | None = None
    best_value: str | None = None


@dataclass(frozen=True)
class Status:
    """Where an attempt stands. Times are RFC 3339 UTC, durations seconds.

    `starts` counts the processes that have begun on this lineage, this one included, 0 before it has.
    `grace_needed_seconds` is what it takes to lose no step whenever the notice comes: the step and the
    save under way, one more save, and a margin for the exit. `request_obeyed` is the id of the newest
    request that was obeyed or refused.
    """

    job: str
    attempt: int
    worker: int = 0
    pid: int = 0
    starts: int = 0
    activity: str = Activity.STARTING
    fit: int = 0
    epoch: int = 0
    step: int = 0
    total_steps: int | None = None
    steps_trained: int = 0
    steps_replayed: int = 0
    steps_to_replay: int = 0
    steps_per_second: float | None = None
    resumed_from: int | None = None
    metrics: tuple[Metric, ...] = ()
    checkpoints: int = 0
    checkpoint: Committed | None = None
    uncommitted_since: str | None = None
    grace_needed_seconds: float | None = None
    request_obeyed: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    departure: Departure | None = None
    ending: Ending | None = None
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The document, with camelCase keys as Kubernetes documents have them."""
        return json.dumps(_camel(asdict(self)), separators=(",", ":"))

    def to_termination_message(self) -> str:
        """The document in at most 4 KiB of UTF-8: what can be long is cut, never the ending's code."""
        status = self
        for shorten in _SHORTENINGS:
            if len(status.to_json().encode()) <= TERMINATION_MESSAGE_LIMIT:
                break
            status = shorten(status)
        return status.to_json()

    @classmethod
    def from_json(cls, text: str) -> Status:
        """Parse a document.

        Raises:
            ValueError: the text is not a status document of this schema.
        """
        try:
            document = json.loads(text, parse_constant=_no_number)
            if not isinstance(document, dict) or document.get("schema") != SCHEMA:
                raise ValueError(f"schema: expected {SCHEMA}")
            return _status(document)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(f"not a status document: {error}") from error


def is_termination_message(text: str | None) -> bool:
    """Whether `text` is a trainer's own termination message, which makes its exit code ours."""
    try:
        return Status.from_json(text or "").ending is not None
    except ValueError:
        return False


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else "..." + text[-length:]


_SHORTENINGS: tuple[Callable[[Status], Status], ...] = (
    lambda s: replace(s, metrics=s.metrics[:12]),
    lambda s: replace(s, notices=tuple(Notice(n.kind, n.message[:160]) for n in s.notices[:6])),
    lambda s: replace(
        s, ending=s.ending and replace(s.ending, message=_cut(s.ending.message, 900))
    ),
    lambda s: replace(s, metrics=(), notices=()),
    lambda s: replace(
        s, ending=s.ending and replace(s.ending, message=_cut(s.ending.message, 200))
    ),
)


def _camel(value: Any, *, is_map: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            key if is_map else _camel_name(key): _camel(item, is_map=key == "seconds")
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_camel(item) for item in value]
    return value


def _camel_name(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_PLAIN: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "str": str,
    "float": (int, float),
    "None": type(None),
}


def _known(cls: type, document: dict[str, Any]) -> dict[str, Any]:
    """The fields of dataclass `cls` in `document`; keys of a newer writer are passed over.

    Raises:
        ValueError: a plain value is of another type than the field.
    """
    values = {
        f.name: document[_camel_name(f.name)]
        for f in fields(cls)
        if _camel_name(f.name) in document
    }
    for f in fields(cls):
        if f.name in values and not _fits(values[f.name], str(f.type)):
            raise ValueError(f"{f.name}: expected {f.type}, received {values[f.name]!r:.60}")
    return values


def _fits(value: Any, annotation: str) -> bool:
    """Whether `value` is of a plain type; what is not plain is checked where it is built."""
    if annotation == "dict[str, float]":
        return isinstance(value, dict) and all(_fits(item, "float") for item in value.values())
    kinds = annotation.split(" | ")
    if not _PLAIN.keys() >= set(kinds):
        return True
    return not isinstance(value, bool) and any(isinstance(value, _PLAIN[kind]) for kind in kinds)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"expected a finite number, received {text}")


def _status(document: dict[str, Any]) -> Status:
    values = _known(Status, document)
    values["metrics"] = tuple(Metric(**_known(Metric, m)) for m in values.get("metrics", ()))
    values["notices"] = tuple(Notice(**_known(Notice, n)) for n in values.get("notices", ()))
    for name, cls in (("checkpoint", Committed), ("departure", Departure), ("ending", Ending)):
        if values.get(name) is not None:
            values[name] = cls(**_known(cls, values[name]))
    return Status(**values)
