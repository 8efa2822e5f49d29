"""Where a TrainingJob stands: the status that the operator writes.

Times are RFC 3339 UTC and never ages, so that nothing here goes stale while the operator is away.
What a newer operator has added is passed over when read, and left alone when written.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Reported(BaseModel):
    """A part of a status: frozen, lenient towards other versions of the operator."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Condition(Reported):
    """One thing that is true, false or unknown about the job."""

    type: str
    """What the condition is about, such as Running."""
    status: str
    """True, False or Unknown."""
    reason: str
    """One word for why."""
    message: str = ""
    """A sentence: what is so, and what to do about it."""
    last_transition_time: str | None = None
    """When `status` changed last."""
    observed_generation: int | None = None
    """The generation of the spec that it was seen for."""


class Retries(Reported):
    """How many attempts ended otherwise than well, by what had ended them."""

    preemption: int = 0
    """The process was taken away from outside."""
    infrastructure: int = 0
    """What the program needs failed, such as an unreachable store."""
    failure: int = 0
    """The program itself failed."""
    divergence: int = 0
    """Training diverged (NaN or Inf)."""
    no_progress: int = 0
    """Attempts in a row that brought no newer checkpoint."""
    record: int | None = None
    """The newest checkpoint when the last attempt ended: what a newer one is told by."""
    total: int = 0
    """All of them."""


class Progress(Reported):
    """How far the training is."""

    activity: str | None = None
    """What the trainer is doing, such as Training or Replaying."""
    fit: int = 0
    """Which call of fit, from 0."""
    epoch: int = 0
    """Which epoch of it, from 0."""
    step: int = 0
    """The train step of the whole run."""
    total_steps: int | None = None
    """How many steps there will be, where it is known."""
    percent: int | None = None
    """The share of the steps that is done."""
    steps_per_second: str | None = None
    """The speed, as a string."""
    estimated_end_time: str | None = None
    """When the steps will be done at that speed."""


class Checkpoint(Reported):
    """The last committed checkpoint."""

    record: int
    """Its number in the lineage."""
    step: int
    """The train step that it holds."""
    time: str
    """When it was committed."""
    uri: str | None = None
    """Where the lineage is kept."""
    bytes: int = 0
    """Its size."""
    digest: str | None = None
    """The digest of its state."""


class MetricValue(Reported):
    """A value of the training log."""

    name: str
    """Its name, such as loss."""
    value: str
    """Its value as a string: NaN is a value."""


class KindSeconds(Reported):
    """Time spent on one kind of activity."""

    kind: str
    """The activity."""
    seconds: int
    """How long, over the attempts that have ended."""


class Goodput(Reported):
    """What the time of the job went into."""

    percent: int | None = None
    """The share of the job's time in which steps were trained."""
    seconds: list[KindSeconds] = []
    """The seconds by activity."""


class Result(Reported):
    """How the job ended."""

    reason: str
    """One word."""
    message: str = ""
    """A sentence."""
    digest: str | None = None
    """The digest of the final state: two runs with equal digests ended bit for bit equal."""
    step: int | None = None
    """The last train step."""
    monitor: str | None = None
    """What the best epoch of the last fit is chosen by, such as val_loss."""
    best_epoch: int | None = None
    """Which epoch of the last fit was the best, from 0."""
    best_value: str | None = None
    """The value that it had, as a string."""


class RequestState(Reported):
    """What became of the newest request of the annotation perdure.dev/request."""

    id: int
    """The request's id."""
    obeyed: bool = False
    """Whether the trainer has carried it out."""


class Trainer(Reported):
    """The pod that is observed to train, remembered to tell it from its replacement."""

    uid: str
    """The pod's uid."""
    starts: int = 0
    """How many processes have begun on the lineage, this one included; 0 until it reports."""
    before: int = 0
    """How many had when the pod that this one replaced unseen reported last; 0 if there is none."""


class Image(Reported):
    """The image of the first attempt: every attempt runs the same one until the spec changes."""

    requested: str
    """What the spec asked for."""
    resolved: str
    """What it was then, by digest."""


class JobStatus(Reported):
    """Where a TrainingJob stands."""

    phase: str | None = None
    """Pending, Running, Suspended, Stopped, Succeeded or Failed; follows from the conditions."""
    reason: str | None = None
    """One word for why the phase is what it is."""
    message: str | None = None
    """A sentence for why the phase is what it is."""
    observed_generation: int | None = None
    """The generation of the spec that this status is about."""
    run: str | None = None
    """The run (spec.run) that this status is about."""
    program: str | None = None
    """The digest of image, command, arguments and environment of the newest attempt."""
    image: Image | None = None
    """What the image is pinned to."""
    attempt: int = 0
    """The newest attempt, from 1."""
    ended_attempt: int = 0
    """The newest attempt whose end is counted in `retries`."""
    start_time: str | None = None
    """When the run was started; later by the time for which it was suspended."""
    completion_time: str | None = None
    """When the run ended."""
    next_attempt_time: str | None = None
    """Not before this time the next attempt is started."""
    ready: str | None = None
    """Trainers that run, of those wanted."""
    retries: Retries = Retries()
    """How many attempts ended otherwise than well, by what had ended them."""
    progress: Progress | None = None
    """How far the training is, by the trainer's last report."""
    checkpoint: Checkpoint | None = None
    """The last committed checkpoint."""
    grace_needed_seconds: int | None = None
    """How much grace the trainer needs to lose no step, by its last report; the next attempt has it."""
    metrics: list[MetricValue] = []
    """Newest values of the training log."""
    goodput: Goodput | None = None
    """What the time of the job went into."""
    result: Result | None = None
    """How the job ended."""
    request: RequestState | None = None
    """The newest request."""
    trainer: Trainer | None = None
    """The pod that trains."""
    conditions: list[Condition] = []
    """What is so, by type."""

    def document(self) -> dict[str, Any]:
        """As the API has it, with what is unset left out."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((c for c in self.conditions if c.type == kind), None)
