"""Ends that every further attempt would repeat: better one sentence than a loop of crashes."""

from __future__ import annotations

import re

from perdure_operator.decide.observed import Exit, Problem

_NO_PERDURE = re.compile(r"^ModuleNotFoundError: No module named 'perdure'$", re.MULTILINE)
_COMMAND_AMISS = re.compile(
    r'exec:? "?[^"\s]+"?: .*(not found|no such file|permission denied|is a directory|format error)'
)


def hopeless(exit: Exit, image: str) -> Problem | None:  # noqa: A002 - the domain's word
    """Why another attempt would end the same way, if it would."""
    if exit.reason in {"StartError", "ContainerCannotRun"} and _COMMAND_AMISS.search(exit.said):
        return Problem(
            "CommandNotStarted",
            f"spec.command: expected a program in the image {image}. Received: "
            f"{_last_line(exit.said)}",
        )
    if _NO_PERDURE.search(exit.said):
        return Problem(
            "PerdureMissing",
            f"spec.image: expected an image with perdure installed. Received: {image}, without it. "
            "Add `pip install perdure` to the image.",
        )
    return None


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][-300:]
