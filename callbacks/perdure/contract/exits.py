"""Exit codes of a training process (sysexits.h where one fits) and what each is counted as."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Why a training process ended, in one number."""

    FINISHED = 0
    STORE_UNREACHABLE = 69
    RESUME = 75
    DIVERGED = 76
    STOPPED = 77
    REFUSED = 78


class Reason(StrEnum):
    """The word beside the exit code in the termination message."""

    FINISHED = "Finished"
    EARLY_STOPPED = "EarlyStopped"
    ALREADY_FINISHED = "AlreadyFinished"
    PREEMPTED = "Preempted"
    FENCED = "Fenced"
    STORE_UNREACHABLE = "StoreUnreachable"
    DIVERGED = "Diverged"
    STOPPED = "Stopped"
    REFUSED = "Refused"
    ERROR = "Error"


class Counted(StrEnum):
    """The budget that an ended attempt is charged to."""

    NOTHING = "nothing"
    PREEMPTION = "preemption"
    INFRASTRUCTURE = "infrastructure"
    DIVERGENCE = "divergence"
    FAILURE = "failure"


def counted_as(exit_code: int, *, has_message: bool) -> Counted:
    """The budget for `exit_code`; our codes count only together with our termination message.

    A program that is not ours may exit 75 too; without the message that is its own failure.
    """
    if exit_code == ExitCode.FINISHED:
        return Counted.NOTHING
    if not has_message:
        return Counted.FAILURE
    return _COUNTED.get(exit_code, Counted.FAILURE)


_COUNTED: dict[int, Counted] = {
    ExitCode.STORE_UNREACHABLE: Counted.INFRASTRUCTURE,
    ExitCode.RESUME: Counted.PREEMPTION,
    ExitCode.DIVERGED: Counted.DIVERGENCE,
    ExitCode.STOPPED: Counted.NOTHING,
}
