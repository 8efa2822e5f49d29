"""Keras' own tests of its callbacks, from its wheel, with every `fit` going through `perdure.callbacks`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from trainers import PROGRAMS

from perdure.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # seventy tests; a minute or two
JOB = "tests/keras/1"
_INERT = "under Perdure BackupAndRestore saves nothing and brings nothing back, and they look at its files"
_DIVERGED = "under Perdure what TerminateOnNaN sees ends the process, with exit code 76"
CANNOT_HOLD = {
    "BackupAndRestoreCallbackTest.test_backup_corrupted": _INERT,
    "BackupAndRestoreCallbackTest.test_best_case_epoch": _INERT,
    "BackupAndRestoreCallbackTest.test_best_case_step": _INERT,
    "CSVLoggerTest.test_stop_training_csv": _DIVERGED,
    "TerminateOnNaNTest.test_TerminateOnNaN": _DIVERGED,
    "TerminateOnNaNTest.test_raise_error_terminate_does_not_trigger_on_train_end": _DIVERGED,
    "TerminateOnNaNTest.test_raise_error_terminate_preserves_backup": _DIVERGED,
    "TerminateOnNaNTest.test_raise_error_terminate_stops_on_later_batch": _DIVERGED,
    "TerminateOnNaNTest.test_terminate_on_nan_graceful_stop": _DIVERGED,
    "TerminateOnNaNTest.test_terminate_on_nan_raise_error_raises_error": _DIVERGED,
}
"""Tests that fail, and why they have to. Not every version of Keras has all of them."""


@dataclass(frozen=True)
class Run:
    """What came of the tests: their names by outcome, and all that was printed."""

    outcomes: dict[str, str]
    went_through: dict[str, int]
    output: str
    store: Path

    def named(self, outcome: str) -> set[str]:
        """The tests that ended so."""
        return {name for name, ended in self.outcomes.items() if ended == outcome}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("keras")
    command = [
        *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder), "-q"),
        *("-p", "through_perdure", "-p", "no:cacheprovider", "--junitxml", "report.xml"),
    ]
    environ = {
        **os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(PROGRAMS), "PERDURE_JOB": JOB,
        "PERDURE_STORE": (folder / "store").as_uri(), "PERDURE_METRICS_PORT": "0",
        "PERDURE_EVERY": "1 steps", "WENT_THROUGH": str(folder / "through.json"),
    }  # fmt: skip
    done = subprocess.run(
        [*command, *_test_files()], cwd=folder, env=environ, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert (folder / "report.xml").exists(), done.stdout
    through = json.loads((folder / "through.json").read_text())
    return Run(_outcomes(folder / "report.xml"), through, done.stdout, folder / "store")


def _test_files() -> list[str]:
    found = [file for file in files("keras") or () if file.match("keras/src/callbacks/*_test.py")]
    assert len(found) >= 12, "the wheel of Keras has the tests of its callbacks"
    return [str(file.locate()) for file in found if _has_what_it_needs(file.name)]


def _has_what_it_needs(name: str) -> bool:
    """Two callbacks are refused by Keras itself where a package of theirs is not installed."""
    package = {"orbax_checkpoint_test.py": "orbax", "tensorboard_test.py": "tensorboard"}.get(name)
    return package is None or find_spec(package) is not None


def _outcomes(report: Path) -> dict[str, str]:
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').split('.')[-1]}.{case.get('name')}"
        outcomes[name] = next((child.tag for child in case if child.tag in _ENDS), "passed")
    return outcomes


_ENDS = ("failure", "error", "skipped")


def test_they_pass(run: Run) -> None:
    failed = run.named("failure") | run.named("error")
    assert failed == run.outcomes.keys() & CANNOT_HOLD.keys(), run.output[-20_000:]
    assert len(run.named("passed")) >= 50


def test_their_fits_were_saved(run: Run) -> None:
    arguments = ["checkpoints", "results", "--store", run.store.as_uri(), "--job", JOB]
    printed = CliRunner().invoke(main, arguments)
    fits: list[dict[str, Any]] = json.loads(printed.stdout)["fits"]
    assert run.went_through["fit"] > len(fits) > 50
    assert run.went_through["evaluate"] > 5
    assert run.went_through["predict"] >= 1
