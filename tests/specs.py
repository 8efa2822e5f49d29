"""Specs of TrainingJobs for the end-to-end tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ground import Ground

PROGRAMS = Path(__file__).parent / "programs"


def of_command(ground: Ground, *command: str, **fields: Any) -> dict[str, Any]:
    """A job that runs `command` in the image of the digits example."""
    return {
        "image": ground.digits_image,
        "imagePullPolicy": "Never",
        "command": list(command),
        "checkpoint": {"store": ground.store, "credentialsSecret": ground.secret},
        **fields,
    }


def of_program(ground: Ground, program: str, *arguments: str, **fields: Any) -> dict[str, Any]:
    """A job that runs one of `tests/programs`."""
    text = (PROGRAMS / f"{program}.py").read_text()
    return of_command(ground, "python", "-c", text, *arguments, **fields)
