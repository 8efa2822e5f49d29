"""The ways a trainer ends a process on purpose: each a `SystemExit` with its code and a sentence.

`SystemExit`, because a script's `except Exception` must not swallow it.
"""

from __future__ import annotations

from typing import ClassVar

from perdure.contract.exits import ExitCode, Reason
from perdure.contract.status import Ending


class TrainerExit(SystemExit):
    """Ends the process with `exit_code`; `message` is for a person."""

    exit_code: ClassVar[ExitCode]
    reason: ClassVar[Reason]

    def __init__(self, message: str) -> None:
        super().__init__(int(self.exit_code))
        self.message = message

    def ending(self) -> Ending:
        """What the status says of this exit."""
        return Ending(self.exit_code, self.reason, self.message)

    def __str__(self) -> str:
        return self.message


class Refused(TrainerExit):
    """What was asked for can never work: bad configuration, no such bucket, another model."""

    exit_code = ExitCode.REFUSED
    reason = Reason.REFUSED


class StoreUnreachable(TrainerExit):
    """The store did not answer until its deadline; a later attempt may find it."""

    exit_code = ExitCode.STORE_UNREACHABLE
    reason = Reason.STORE_UNREACHABLE


def _what_is_saved(step: int | None) -> str:
    """Step 0 stands for a lineage of which nothing is saved."""
    if step is None:
        return "nothing was trained that is not saved"
    return f"saved at step {step}" if step else "nothing could be saved"


class Preempted(TrainerExit):
    """The process was told to go; what it had is saved, at `saved_step`, or unchanged."""

    exit_code = ExitCode.RESUME
    reason = Reason.PREEMPTED

    def __init__(self, saved_step: int | None = None) -> None:
        super().__init__(f"told to end by SIGTERM; {_what_is_saved(saved_step)}; start me again")


class Stopped(TrainerExit):
    """A request told the process to stop; what it had is saved, and nobody is to start it again."""

    exit_code = ExitCode.STOPPED
    reason = Reason.STOPPED

    def __init__(self, request: int, saved_step: int | None = None) -> None:
        super().__init__(f"stopped by request {request}; {_what_is_saved(saved_step)}")


class Diverged(TrainerExit):
    """Training diverged and was told to stop on it; what is committed stays."""

    exit_code = ExitCode.DIVERGED
    reason = Reason.DIVERGED


class Fenced(TrainerExit):
    """A newer process has taken over the lineage."""

    exit_code = ExitCode.RESUME
    reason = Reason.FENCED
