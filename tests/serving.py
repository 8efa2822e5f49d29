"""`perdure checkpoints export`, and what it writes in a process that has Keras and no Perdure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def commanded(store: str, *arguments: str) -> str:
    """What `perdure checkpoints ARGUMENTS` prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "perdure", "checkpoints", *arguments, "--store", store],
        env={**os.environ, **ENVIRONMENT},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def lineages(store: str) -> list[dict[str, Any]]:
    """What `perdure checkpoints ls` knows of a store."""
    found: list[dict[str, Any]] = json.loads(commanded(store, "ls", "--json"))["lineages"]
    return found


def served(program: str, *files: Path) -> list[Any]:
    """What `program` makes of each file: it has `path` and sets `result`. Perdure cannot be imported."""
    text = (
        "import json, sys\n"
        "sys.modules['perdure'] = None\n"  # importing it is an error
        "import keras\n"
        "results = []\n"
        "for path in sys.argv[1:]:\n"
        + "".join(f"    {line}\n" for line in program.strip().splitlines())
        + "    results.append(result)\n"
        "print(json.dumps(results))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", text, *map(str, files)],
        env={**os.environ, **ENVIRONMENT},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    found: list[Any] = json.loads(ended.stdout.splitlines()[-1])
    return found
