"""What a reconcile is to do: actions on the children, the status that is true then, and when to
look again. Carried out in this order, and from anew at any interruption.
"""

from __future__ import annotations

from dataclasses import dataclass

from perdure_operator.decide.observed import AttemptJob, Pod
from perdure_operator.model.status import JobStatus


@dataclass(frozen=True)
class Start:
    """Create the Job of `attempt`."""

    attempt: int
    image: str
    store: str
    grace_seconds: int
    request: str | None = None


@dataclass(frozen=True)
class Suspend:
    """Suspend a Job: its pod is told to go, and the Job controller makes no other one."""

    job: AttemptJob


@dataclass(frozen=True)
class ConfirmGone:
    """Ask the API whether the Job of `attempt` is gone: the status may be newer than the Jobs."""

    attempt: int


@dataclass(frozen=True)
class PassRequest:
    """Write the newest request on to a pod."""

    pod: Pod
    request: str


@dataclass(frozen=True)
class DeleteJob:
    """Delete the Job of an old attempt."""

    job: AttemptJob


@dataclass(frozen=True)
class DeleteTrainingJob:
    """Delete the TrainingJob itself, whose time to live is over."""


Action = Start | Suspend | ConfirmGone | PassRequest | DeleteJob | DeleteTrainingJob


@dataclass(frozen=True)
class Plan:
    """What to do. `look_again_after` is in seconds; None means at the next change."""

    status: JobStatus
    actions: tuple[Action, ...] = ()
    look_again_after: float | None = None
