"""The disturbances that a person asks for: what is done to a trainer, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from perdure.contract.status import Activity, Status


class Kind(StrEnum):
    """What is done: SIGTERM, and SIGKILL when the grace is over; or SIGKILL at once."""

    PREEMPT = "preempt"
    KILL = "kill"


@dataclass(frozen=True)
class Disturbance:
    """Preempt or kill after so many `steps` or seconds (`s`) of training in one attempt."""

    kind: Kind
    count: float
    unit: str

    def __str__(self) -> str:
        return f"--{self.kind}-after {self.amount}"

    @property
    def amount(self) -> str:
        """`5s` or `40 steps`."""
        return f"{self.count:g}{'' if self.unit == 's' else ' '}{self.unit}"

    @classmethod
    def parse(cls, kind: Kind, text: str) -> Disturbance:
        """Parse `5s` or `40 steps`.

        Raises:
            ValueError: what was expected and what was received.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|seconds?|steps?)\s*", text)
        unit = "steps" if match and match[2].startswith("st") else "s"
        if match is None or (unit == "steps" and not 1 <= float(match[1]) == int(float(match[1]))):
            raise ValueError(
                f"expected seconds such as '5s' or a whole number of steps such as '40 steps'. "
                f"Received: {text!r}."
            )
        return cls(kind, float(match[1]), unit)

    def is_due(self, status: Status, trained_seconds: float | None) -> bool:
        """Whether it is time, by the trainer's status and the seconds since its training began.

        Replayed steps do not count: a disturbance is to cost training, and each attempt is to get
        further than the one before.
        """
        if self.unit == "steps":
            return status.steps_trained >= self.count
        return trained_seconds is not None and trained_seconds >= self.count


def is_training(status: Status) -> bool:
    """Whether training, not replay, is under way or was."""
    return status.activity == Activity.TRAINING or status.steps_trained > 0
