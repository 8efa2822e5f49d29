"""Read a manifest: every error in it at once, each a sentence."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from perdure_operator.model import document
from perdure_operator.model.job import TrainingJob
from perdure_operator.model.sentences import sentences, shown


class ManifestError(ValueError):
    """A manifest that cannot be used; `problems` are sentences, one per line in `str()`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(manifest: Path | str) -> TrainingJob:
    """The TrainingJob of a manifest file (`Path`) or of a manifest's text (`str`).

    Raises:
        ManifestError: with a sentence for each error.
    """
    text = _read(manifest) if isinstance(manifest, Path) else manifest
    try:
        value, problems = document.read(text)
    except document.DocumentError as error:
        raise ManifestError(str(error).splitlines()) from error
    if not isinstance(value, dict):
        expected = "expected a mapping with apiVersion, kind, metadata and spec"
        raise ManifestError([f"{expected}. Received: {shown(value)}."])
    try:
        job = TrainingJob.model_validate(value)
    except ValidationError as error:
        raise ManifestError(problems + sentences(error, TrainingJob)) from error
    if problems:
        raise ManifestError(problems)
    return job


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(
            [f"expected text in UTF-8. Received: other bytes at offset {error.start}."]
        ) from error
    except OSError as error:
        raise ManifestError(
            [f"expected a file that can be read. Received: {error.strerror}."]
        ) from error
