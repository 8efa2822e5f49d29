"""The TrainingJob itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from perdure.contract.labels import API_VERSION, KIND
from perdure_operator.model import free
from perdure_operator.model.base import (
    Count,
    Entries,
    Items,
    Label,
    Mapping,
    Positive,
    Strict,
    Text,
)
from perdure_operator.model.checkpoint import Checkpoint
from perdure_operator.model.pod import PodFields
from perdure_operator.model.retries import Retries
from perdure_operator.model.rules import Rule, matches, refuse


def _words(command: Any) -> Any:
    """A command in one string is a common slip: refuse it with the list that it should be."""
    if isinstance(command, str) and command:
        refuse(
            f"expected a list of words. Received: {command!r}. "
            f"Write [{', '.join(command.split())}]."
        )
    return command


_PROGRAM = Rule(
    holds=lambda command: bool(command and command[0]),
    cel="size(self) > 0 && self[0] != ''",
    sentence="expected at least one word, such as [python, train.py]. Received: {}.",
    received=lambda command: "an empty one" if command else "[]",
    received_cel="(size(self) > 0 ? 'an empty one' : '[]')",
)
_ONE_WORKER = Rule(
    holds=lambda workers: workers <= 1,
    cel="self <= 1",
    sentence="expected 1. Received: {}. Training with several workers is not supported yet.",
)
_RUN = matches(
    r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?",
    "expected at most 63 letters, digits, '.', '_' and '-', beginning and ending with a "
    "letter or digit. Received: '{}'.",
)
_CLASS = matches(
    r"([A-Za-z_][\w.]*:)?[A-Za-z_]\w*",
    "expected the name of a Keras callback such as EarlyStopping, or module:Class. Received: '{}'.",
)


class Metadata(Strict):
    """The metadata of the object; what the API server adds to it is accepted and unused."""

    name: Label
    """The job's name."""
    namespace: Label = "default"
    """The job's namespace."""
    labels: dict[str, str] = {}
    """Labels of the TrainingJob."""
    annotations: dict[str, str] = {}
    """Annotations of the TrainingJob."""
    uid: str | None = None
    """Set by the API server."""
    generation: int | None = None
    """Set by the API server."""
    resource_version: str | None = None
    """Set by the API server."""
    creation_timestamp: str | None = None
    """Set by the API server."""
    deletion_timestamp: str | None = None
    """Set by the API server."""
    deletion_grace_period_seconds: int | None = None
    """Set by the API server."""
    generate_name: str | None = None
    """Used by the API server."""
    self_link: str | None = None
    """Set by old API servers."""
    finalizers: list[str] = []
    """What must be done before the object is gone."""
    owner_references: list[Mapping] = []
    """The objects that this one belongs to."""
    managed_fields: list[Mapping] = []
    """Set by the API server."""


class Callback(Strict):
    """A Keras callback that is added to those of the script."""

    name: Annotated[str, Field(max_length=256), _CLASS]
    """The name of a class of keras.callbacks, or module:Class for one's own."""
    args: Annotated[Entries[Any], AfterValidator(free.bounded)] = {}
    """The arguments of the class, by name; functions as module:function."""


class Spec(PodFields):
    """What is trained and how it is brought through interruptions."""

    image: Text | None = None
    """The container image, needed on a cluster and unused by `perdure run`."""
    command: Annotated[Items[str], BeforeValidator(_words), _PROGRAM]
    """The training program and its first arguments, such as [python, train.py]."""
    args: Annotated[Items[str], BeforeValidator(_words)] = []
    """Further arguments."""
    run: Annotated[str, Field(max_length=253), _RUN] = "1"
    """Which run of the job this is; another string begins a new one from the start."""
    workers: Annotated[Positive, _ONE_WORKER] = 1
    """How many pods train together."""
    checkpoint: Checkpoint = Checkpoint()
    """The checkpoints of the job."""
    callbacks: Annotated[Items[Callback], AfterValidator(free.bounded_together)] = []
    """Keras callbacks that are added to those of the script."""
    retries: Retries = Retries()
    """How often the job is started again, by what ended the attempt before."""
    suspend: bool = False
    """Whether the job is to pause; its state is saved first."""
    continue_: Annotated[bool, Field(alias="continue")] = False
    """Whether a finished run of a changed program is trained on."""
    active_deadline_seconds: Positive | None = None
    """After how many seconds the job fails, however many attempts it took."""
    ttl_seconds_after_finished: Count | None = None
    """How long after its end the object is deleted."""
    termination_grace_period_seconds: Positive = 30
    """How many seconds a trainer has between the signal to go and being killed."""


class TrainingJob(Strict):
    """A training run that outlives its processes."""

    api_version: Literal[API_VERSION]  # type: ignore[valid-type]
    """The API group and version."""
    kind: Literal[KIND]  # type: ignore[valid-type]
    """The kind of the object."""
    metadata: Metadata
    """The metadata of the object."""
    spec: Spec
    """What is trained and how."""
    status: Mapping | None = None
    """Where the job stands; written by the operator, unused in a manifest."""
