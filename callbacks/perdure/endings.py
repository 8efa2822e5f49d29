"""How the interpreter ends: an error, an exit code, or well; each is noted for who started us."""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from perdure.contract.exits import Reason
from perdure.contract.status import Ending
from perdure.errors import TrainerExit

if TYPE_CHECKING:
    from perdure.attempt import Attempt

TRACEBACK_END = 1500


def watch(attempt: Attempt) -> None:
    """Note from now on how the process ends."""
    watcher = _Watcher(attempt)
    sys.excepthook = watcher.failed
    sys.exit = watcher.exit  # the interpreter does not tell atexit functions the code
    atexit.register(watcher.over)


class _Watcher:
    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._excepthook = sys.excepthook
        self._code: Any = None

    def failed(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """An error ends the program."""
        text = "".join(traceback.format_exception(kind, error, trace))
        self._attempt.end(Ending(1, Reason.ERROR, text[-TRACEBACK_END:].strip()))
        self._excepthook(kind, error, trace)

    def exit(self, code: Any = None) -> NoReturn:
        """`sys.exit`, remembering the code."""
        self._code = code
        raise SystemExit(code)

    def over(self) -> None:
        """The program is over: well, unless something else was noted."""
        if self._attempt.board.status().ending is None and self._code not in (None, 0):
            code = self._code if isinstance(self._code, int) else 1
            self._attempt.end(
                Ending(code, Reason.ERROR, f"the script ended by sys.exit({self._code!r})")
            )
        if self._attempt.board.status().ending is not None:
            return
        try:
            with self._attempt.exits:
                self._attempt.finish()
        except (
            TrainerExit
        ) as leaving:  # an exception in an atexit function would not change the exit code
            sys.stdout.flush()
            os._exit(int(leaving.exit_code))


def preempted_message(*, saved_step: int | None) -> str:
    """The sentence for an exit on SIGTERM."""
    if saved_step is None:
        return "told to end by SIGTERM; nothing was trained that is not saved; start me again"
    return f"told to end by SIGTERM; saved at step {saved_step}; start me again"
