"""A job folder with a trainer of the standard library, and the runner in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from perdure_operator.cli import run

TRAINER = Path(__file__).parent / "trainer.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with the trainer in it."""
    shutil.copy(TRAINER, tmp_path / "train.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture
def write_manifest(folder: Path) -> Callable[..., Path]:
    """Write job.yaml with these fields of the spec; `env` is a mapping."""

    def write(env: dict[str, str] | None = None, **spec: object) -> Path:
        variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
        command = {"command": ["python", "train.py"]}
        path = folder / "job.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "perdure.dev/v1alpha1",
                    "kind": "TrainingJob",
                    "metadata": {"name": "fake"},
                    "spec": {**command, "env": variables, **spec},
                }
            )
        )
        return path

    return write


@pytest.fixture
def run_job(write_manifest: Callable[..., Path]) -> Callable[..., Result]:
    """Run a job with these options and fields of the spec."""

    def run_(*options: str, env: dict[str, str] | None = None, **spec: object) -> Result:
        return CliRunner().invoke(run, [str(write_manifest(env, **spec)), *options])

    return run_
