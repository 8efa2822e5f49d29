"""How the interpreter ends: an error, an exit code, or well; each is noted for who started us."""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NoReturn, Protocol

from perdure.contract.exits import Reason
from perdure.contract.status import Ending
from perdure.errors import TrainerExit

TRACEBACK_END = 1500


class Ends(Protocol):
    """What ends with the process."""

    @property
    def exits(self) -> AbstractContextManager[None]:
        """Notes what ends the process from inside of it."""

    @property
    def has_ended(self) -> bool:
        """Whether an ending was noted."""

    def end(self, ending: Ending) -> Ending:
        """Note an ending; the first one counts, and is returned."""

    def finish(self) -> None:
        """All went well."""


def watch(attempt: Ends) -> None:
    """Note from now on how the process ends."""
    watcher = _Watcher(attempt)
    sys.excepthook = watcher.failed
    sys.exit = watcher.exit  # the interpreter does not tell atexit functions the code
    atexit.register(watcher.over)


class _Watcher:
    def __init__(self, attempt: Ends) -> None:
        self._attempt = attempt
        self._process = os.getpid()
        self._excepthook = sys.excepthook
        self._code: Any = None

    def failed(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """An error ends the program."""
        text = "".join(traceback.format_exception(kind, error, trace))
        if os.getpid() == self._process:
            self._attempt.end(Ending(1, Reason.ERROR, text[-TRACEBACK_END:].strip()))
        self._excepthook(kind, error, trace)

    def exit(self, code: Any = None) -> NoReturn:
        """`sys.exit`, remembering the code."""
        self._code = code
        raise SystemExit(code)

    def over(self) -> None:
        """The program is over: well, unless something else was noted. A forked child's end is none."""
        if os.getpid() != self._process:
            return
        if not self._attempt.has_ended and self._code not in (None, 0):
            code = self._code if isinstance(self._code, int) else 1
            self._attempt.end(
                Ending(code, Reason.ERROR, f"the script ended by sys.exit({self._code!r})")
            )
        if self._attempt.has_ended:
            return
        try:
            with self._attempt.exits:
                self._attempt.finish()
        except TrainerExit as leaving:
            sys.stdout.flush()  # an exception in an atexit function would not change the exit code
            os._exit(int(leaving.exit_code))
