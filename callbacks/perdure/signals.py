"""SIGTERM: noticed at once by a thread, honoured by the train loop, and by the thread if that is stuck.
A request to stop goes the same way, but nobody waits to kill the process.

A Python signal handler runs only when the current C++ call returns, which can take longer than the
grace. The wakeup file descriptor is written by the C handler itself. Other code may set another one (an
asyncio loop does), so the Python handler writes the same byte once more.

The interpreter's own exit waits for threads that send, for as long as a request may take. So when the
grace is over, the thread ends the process, whoever saw to its leaving.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

from perdure.board import say
from perdure.contract.status import Ending
from perdure.errors import Preempted, TrainerExit

MARGIN_SECONDS = 2.0
PATIENCE_SECONDS = 1.0


class Unsaved(Protocol):
    """What the training side says of its work when the process must end."""

    def exists(self) -> bool:
        """Whether steps were trained that are in no checkpoint."""

    def seconds_to_save(self) -> float:
        """How long a save is expected to take."""

    def rescue(self, seconds: float) -> int | None:
        """Save what can be saved without the training thread; returns the step, None for nothing."""

    def saved_step(self) -> int | None:
        """The newest step in a checkpoint; None where nothing was trained that is not saved."""


class NothingUnsaved:
    """Outside of `fit` all work is in the store."""

    def exists(self) -> bool:
        """Never."""
        return False

    def seconds_to_save(self) -> float:
        """No time at all."""
        return 0.0

    def rescue(self, seconds: float) -> int | None:
        """Nothing to rescue."""
        return None

    def saved_step(self) -> int | None:
        """Nothing was trained."""
        return None


class Watcher:
    """Waits for SIGTERM and sees to it that the process ends in time."""

    def __init__(self, grace_seconds: float, end: Callable[[Ending], Ending]) -> None:
        """`end` notes an ending and returns the one that counts, which is the first."""
        self._grace = grace_seconds
        self._end = end
        self._taken = threading.Event()
        self.unsaved: Unsaved = NothingUnsaved()
        self.deadline: float | None = None
        self._most_seconds = math.inf
        self.leaving: Callable[[int | None], TrainerExit] = Preempted
        if threading.current_thread() is threading.main_thread():
            self._install()

    def _install(self) -> None:
        read, write = os.pipe()
        os.set_blocking(write, False)

        def tell(number: int, _frame: object) -> None:
            with contextlib.suppress(BlockingIOError):  # a full pipe has told it
                os.write(write, bytes([number]))

        signal.signal(signal.SIGTERM, tell)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=_die_of_sigterm)
        threading.Thread(
            target=self._watch, args=(read,), name="perdure-signals", daemon=True
        ).start()

    @property
    def is_set(self) -> bool:
        """Whether the process was told to end."""
        return self.deadline is not None

    @property
    def grace_seconds(self) -> float | None:
        """The grace that was given, None where nobody kills the process when it is over."""
        return None if self.deadline == math.inf else self._grace

    def seconds_left(self) -> float:
        """What is left of the grace, less a margin for the exit itself."""
        assert self.deadline is not None, "the process was told to end"
        return min(self.deadline - time.monotonic(), self._most_seconds)

    def stop(self, leaving: Callable[[int | None], TrainerExit], most_seconds: float) -> None:
        """End the process with what `leaving` gives for the saved step; does not return before.

        The training thread sees to it when it comes by, however long its call is, and its save may
        take `most_seconds`. Where nothing is unsaved it is not waited for.
        """
        self.leaving, self._most_seconds = leaving, most_seconds
        self.deadline = math.inf
        while not self._taken.wait(PATIENCE_SECONDS):
            if not self.unsaved.exists():
                self._leave()

    def take(self) -> None:
        """The training thread sees to the end of the process itself."""
        self._taken.set()

    def _watch(self, descriptor: int) -> None:
        while signal.SIGTERM not in os.read(descriptor, 1):
            pass
        margin = min(MARGIN_SECONDS, self._grace / 4)
        self.deadline = time.monotonic() + self._grace - margin
        over = self.deadline + margin / 2
        try:
            say(f"SIGTERM received; {self._grace:g} s of grace")
            if not self._taken.wait(self._patience()):
                self._leave()
        except Exception as error:
            self._exit(self.despite(error))
        time.sleep(max(0.0, over - time.monotonic()))
        self._exit(Preempted(self.unsaved.saved_step()))

    def _patience(self) -> float:
        """How long the training thread may take to come by."""
        if not self.unsaved.exists():
            return min(PATIENCE_SECONDS, self.seconds_left())
        return max(PATIENCE_SECONDS, self.seconds_left() - 1.5 * self.unsaved.seconds_to_save())

    def _leave(self) -> None:
        """End the process from here: the training thread is inside a long call."""
        try:
            leaving = self.leaving(self.unsaved.rescue(self.seconds_left()))
        except TrainerExit as failed:
            leaving = failed
        except Exception as error:
            leaving = self.despite(error)
        self._exit(leaving)

    def despite(self, error: Exception) -> TrainerExit:
        """How the process leaves where saving failed with an error that nobody foresaw: with what is
        committed, since it has to go all the same.
        """
        with contextlib.suppress(OSError, ValueError):  # nobody may read the log any more
            say(f"leaving with what is committed: {type(error).__name__}: {error}")
        return Preempted(self.unsaved.saved_step())

    def _exit(self, leaving: TrainerExit) -> NoReturn:
        """End the process from this thread, which waits for no other, with the ending that counts."""
        code = int(leaving.exit_code)
        try:
            code = int(self._end(leaving.ending()).code)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _die_of_sigterm() -> None:
    """A forked child, such as a data worker, is no trainer: SIGTERM ends it as it would any process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
