"""`perdure run` on a job that is there already: finished, changed, and a script started by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[1] / "programs"
MANIFEST = """
apiVersion: perdure.dev/v1alpha1
kind: TrainingJob
metadata: {name: plain}
spec:
  image: registry.example/plain:1
  command: [python, plain.py]
  checkpoint: {interval: {mode: Steps, value: 2}}
"""
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a script and a manifest."""
    for name in ("plain.py", "disturb.py"):
        shutil.copy(PROGRAMS / name, tmp_path)
    (tmp_path / "job.yaml").write_text(MANIFEST)
    return tmp_path


def _call(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **QUIET, **environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    return _call(folder, "-m", "perdure", "run", "job.yaml")


@pytest.mark.slow
def test_a_finished_job_unchanged_changed_and_in_a_new_run(folder: Path) -> None:
    assert "Succeeded: Finished" in _run(folder).stdout
    assert "Succeeded: AlreadyFinished" in _run(folder).stdout
    script = folder / "plain.py"
    script.write_text(script.read_text().replace("size=(64, 4)", "size=(72, 4)"))
    refused = _run(folder)
    assert refused.returncode == 78
    assert "has finished, and its program has changed since" in refused.stdout
    manifest = folder / "job.yaml"
    manifest.write_text(MANIFEST + '  run: "2"\n')
    assert "Succeeded: Finished" in _run(folder).stdout


@pytest.mark.slow
def test_a_script_started_by_hand_resumes_and_then_begins_a_new_run(folder: Path) -> None:
    killed = _call(folder, "plain.py", KILL_AFTER="9", KILL_SIGNAL="15", PERDURE_METRICS_PORT="0")
    assert killed.returncode == 75, killed.stderr
    assert "saved at step" in killed.stderr
    resumed = _call(folder, "plain.py", PERDURE_METRICS_PORT="0")
    assert resumed.returncode == 0, resumed.stderr
    assert _call(folder, "plain.py", PERDURE_METRICS_PORT="0").returncode == 0
    runs = sorted(path.name for path in (folder / ".perdure/local/plain").iterdir())
    assert runs == ["1", "2"]
