"""How often a job is started again, by what ended the attempt before."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from perdure_operator.model.base import Count, Strict
from perdure_operator.model.rules import matches


class DivergenceAction(StrEnum):
    """What follows when training diverged (NaN or Inf)."""

    STOP = "Stop"
    ROLLBACK = "Rollback"


class Divergence(Strict):
    """What follows when training diverged (NaN or Inf)."""

    action: Annotated[DivergenceAction, Field(strict=False)] = DivergenceAction.STOP
    """Stop fails the job; Rollback goes back to the last good checkpoint, with a lower rate."""
    times: Count = 2
    """How often to go back before the job fails."""
    learning_rate_factor: Annotated[
        str,
        Field(max_length=32),
        matches(
            r"0?\.\d*[1-9]\d*|1(\.0*)?",
            "expected a number above 0, at most 1, as a string such as \"0.5\". Received: '{}'.",
        ),
    ] = "0.5"
    """What the learning rate is multiplied by each time, as a string."""


class Retries(Strict):
    """How many attempts of each kind of ending may be followed by another one."""

    failures: Count = 3
    """The program itself failed."""
    infrastructure: Count = 10
    """What the program needs failed, such as an unreachable store."""
    preemptions: Count | None = None
    """The process was taken away from outside. Unset: unlimited."""
    no_progress: Count = 10
    """Attempts in a row that brought no newer checkpoint, whatever ended them."""
    divergence: Divergence = Divergence()
    """What follows when training diverged."""
