"""Files that callbacks write belong to the checkpoint: read when they changed, put back on resume."""

from __future__ import annotations

import glob
import os
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from perdure.state.codec import Array


def pattern_of(callback: Any) -> str | None:
    """The glob of the files that `callback` writes, or None: a template's placeholders become `*`."""
    if type(callback).__name__ != "ModelCheckpoint" or not hasattr(callback, "filepath"):
        return None
    pieces = re.split(r"\{[^{}]*\}", str(callback.filepath))
    return "*".join(glob.escape(piece) for piece in pieces)


class ManagedFiles:
    """The files of one fit's callbacks, as of their last change."""

    def __init__(self, callbacks: Sequence[Any]) -> None:
        self._patterns = [p for p in map(pattern_of, callbacks) if p is not None]
        self._before = {path: _version(path) for path in self._matching()}
        self._known: dict[str, tuple[tuple[int, int], Array]] = {}

    def _matching(self) -> list[str]:
        return sorted({path for pattern in self._patterns for path in glob.glob(pattern)})

    def capture(self) -> dict[str, Array]:
        """Path and bytes of each file that was written since the fit began or was put back."""
        for path in self._matching():
            version = _version(path)
            if version == self._before.get(path) or version == self._known.get(path, (None,))[0]:
                continue
            self._known[path] = (version, _unchanging(np.fromfile(path, np.uint8)))
        return {path: content for path, (_, content) in self._known.items()}

    def restore(self, files: dict[str, Array]) -> None:
        """Put files back, each in one step."""
        for path, content in files.items():
            _replace(Path(path), content)
            self._known[path] = (_version(path), _unchanging(content))


def _unchanging(content: Array) -> Array:
    content.flags.writeable = False  # so it is saved without another copy
    return content


def _version(path: str) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size


def _replace(path: Path, content: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".perdure-{uuid.uuid4().hex}"
    with temporary.open("xb") as file:  # with the permissions that the callback's own files have
        file.write(content.tobytes())
    os.replace(temporary, path)
