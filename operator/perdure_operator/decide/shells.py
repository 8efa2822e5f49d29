"""Commands that put a shell in front of the trainer: the shell gets SIGTERM and keeps it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from perdure_operator.decide.observed import Problem

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_PASSES_ON = re.compile(r"(?:^|[;&|\n]\s*|\s)(?:exec|trap)\s")


def shell_in_front(command: Sequence[str]) -> Problem | None:
    """What is wrong with `command`, if a shell in it stands in front of the program.

    A shell as PID 1 of a container neither ends by SIGTERM nor passes it on; `exec` replaces it.
    Some shells do so by themselves for a single command: the trainer's own PID tells.
    """
    if len(command) < 3 or command[0].rpartition("/")[2] not in _SHELLS:
        return None
    flag = next((n for n, word in enumerate(command) if re.fullmatch(r"-\w*c", word)), None)
    if flag is None or flag + 1 >= len(command) or _PASSES_ON.search(command[flag + 1]):
        return None
    script = command[flag + 1]
    last = script.strip().splitlines()[-1] if script.strip() else script
    return Problem(
        "ShellInFront",
        f"spec.command: {command[0]} -c keeps SIGTERM from the program, so that it is killed at "
        f"the end of its grace without saving. Write [python, train.py], or put exec in front of "
        f"the last command: `exec {last[:80]}`.",
    )
