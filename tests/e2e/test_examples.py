"""Every example runs as its README says, is disturbed, and ends with the undisturbed result.

The transcript in the README is the output of the digits' run. `UPDATE_README=1` writes it anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import commanded, lineages, served

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "deploy/examples").glob("*/job.yaml"))
DISTURBANCES = {
    "digits": ["--kill-after", "100 steps", "--preempt-after", "150 steps"],
    "digits-gan": ["--kill-after", "100 steps", "--preempt-after", "150 steps"],
    "sunspots": ["--preempt-after", "30 steps", "--kill-after", "60 steps"],
}
BEGIN, END = "<!-- transcript:begin -->\n", "<!-- transcript:end -->\n"
EVALUATE = """
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
images, labels = load_digits(return_X_y=True)
images = (images / 16.0).astype("float32").reshape(-1, 8, 8, 1)
images, _, labels, _ = train_test_split(images, labels, test_size=297, random_state=0, stratify=labels)
_, x, _, y = train_test_split(images, labels, test_size=300, random_state=0, stratify=labels)
result = keras.models.load_model(path).evaluate(x, y, verbose=0)
"""
SHOWN = ("job", "attempt", "Succeeded", "steps", "checkpoints", "identical")


def _run(example: str, folder: Path) -> str:
    """What `perdure run ... --prove` prints, with logs and store in `folder`."""
    shutil.copytree(ROOT / "deploy/examples" / example, folder / example)
    command = [sys.executable, "-m", "perdure", "run", f"{example}/job.yaml"]
    ended = subprocess.run(
        [*command, *DISTURBANCES[example], "--prove"],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _transcript(output: str) -> str:
    """The README's block: the command and the lines that tell the story."""
    options = " ".join(f'"{word}"' if " " in word else word for word in DISTURBANCES["digits"])
    lines = [line for line in output.splitlines() if line.startswith(SHOWN)]
    command = f"$ perdure run deploy/examples/digits/job.yaml {options} --prove"
    return "\n".join(["```console", command, *lines, "```"]) + "\n"


def _story(transcript: str) -> str:
    """A transcript without what differs from run to run: times and where exactly a kill struck."""
    return re.sub(r"\d[\d.]*", "#", transcript)


def _readme_parts() -> tuple[str, str, str]:
    before, _, rest = (ROOT / "README.md").read_text().partition(BEGIN)
    block, _, after = rest.partition(END)
    return before + BEGIN, block, END + after


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_identical_after_disturbances(example: str, tmp_path: Path) -> None:
    output = _run(example, tmp_path)
    assert "identical: 1 fit" in output
    assert "was ended by SIGKILL" in output
    assert "exited with 75 (Preempted)" in output
    if example == "digits":
        _check_readme(_transcript(output))
        _check_export(tmp_path)


def _check_export(folder: Path) -> None:
    """A file for serving evaluates to the best epoch's metrics, whose weights EarlyStopping puts back."""
    store = (folder / ".perdure").as_uri()
    job, _undisturbed = sorted(lineage["job"] for lineage in lineages(store))
    commanded(store, "export", "--job", job, "--to", str(folder / "digits.keras"))
    (fit,) = json.loads(commanded(store, "results", "--job", job))["fits"]
    history = fit["history"]
    best = history["val_loss"].index(min(history["val_loss"]))
    trained = [history["val_loss"][best], history["val_accuracy"][best]]
    assert served(EVALUATE, folder / "digits.keras") == [trained]


def _check_readme(transcript: str) -> None:
    before, block, after = _readme_parts()
    if os.environ.get("UPDATE_README"):
        (ROOT / "README.md").write_text(before + transcript + after)
        block = transcript
    assert _story(block) == _story(transcript)
