"""What is observed of an ended attempt, what is counted over attempts, and what is decided."""

from __future__ import annotations

import signal as signals
from dataclasses import dataclass
from enum import StrEnum

from perdure.contract.exits import ExitCode, Reason
from perdure.contract.status import Ending, Status


class Phase(StrEnum):
    """Where a job stands. The last three are terminal."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    STOPPED = "Stopped"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


TERMINAL = frozenset({Phase.STOPPED, Phase.SUCCEEDED, Phase.FAILED})


@dataclass(frozen=True)
class AttemptEnd:
    """How an attempt ended.

    `exit_code` is None when a signal ended the process. `status` is the last that is known of the
    trainer; only a termination message has an `ending`. `disrupted` means that somebody outside is
    known to have taken the process away: a disruption condition on Kubernetes, a disturbance of
    the local runner. A SIGKILL that nobody explains is the program's own failure: most are its
    memory. `record` is the newest committed one that was seen of an attempt without a `status`;
    `word` is what Kubernetes says of the end, such as OOMKilled.
    """

    attempt: int
    exit_code: int | None
    signal: int | None = None
    status: Status | None = None
    disrupted: bool = False
    asked_to_stop: bool = False
    record: int | None = None
    word: str = ""

    @property
    def newest_record(self) -> int | None:
        """The newest record that this attempt committed, as far as is known.

        A trainer that resumed reports the checkpoint that it resumed from; that is not its own.
        """
        if self.status is None:
            return self.record
        committed = self.status.checkpoint
        return committed.record if committed and self.status.checkpoints else None

    @property
    def ending(self) -> Ending | None:
        """What the trainer said of its end, if it could."""
        return self.status.ending if self.status else None

    @property
    def code(self) -> int:
        """The exit code; of a process killed after its last word, the code announced in it."""
        if self.exit_code is not None:
            return self.exit_code
        if self.ending is not None:
            return self.ending.code
        return 128 + (self.signal or 0)

    def is_our(self, code: ExitCode) -> bool:
        """Whether it ended with `code` and means by it what the contract says."""
        return self.code == code and self.ending is not None

    @property
    def is_fenced(self) -> bool:
        """Whether another process has taken over the lineage."""
        return self.ending is not None and self.ending.reason == Reason.FENCED

    @property
    def description(self) -> str:
        """In a few words, for messages."""
        if self.exit_code is None and self.signal is not None:
            return f"was ended by {signals.Signals(self.signal).name}"
        word = self.ending.reason if self.ending else self.word
        if self.exit_code is None and self.ending is None:
            return "was taken away" + (f" ({word})" if word else "")
        return f"exited with {self.code}" + (f" ({word})" if word else "")


@dataclass(frozen=True)
class Counters:
    """What is counted over the attempts of a job; kept in its status, never in memory alone.

    `no_progress` counts attempts in a row without a newer committed checkpoint; `record` is the
    newest committed one that was seen.
    """

    failures: int = 0
    infrastructure: int = 0
    preemptions: int = 0
    divergence: int = 0
    no_progress: int = 0
    record: int | None = None


@dataclass(frozen=True)
class Decision:
    """What to do next: `start_attempt` after `delay_seconds`, or nothing in the other phases.

    `learning_rate_factor` multiplies the learning rate from the next attempt on; with `roll_back`
    it begins at the last good checkpoint.
    """

    phase: Phase
    reason: str
    message: str
    counters: Counters
    start_attempt: int | None = None
    delay_seconds: float = 0.0
    roll_back: bool = False
    learning_rate_factor: str = "1"
