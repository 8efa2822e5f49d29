"""What an installation consists of, as kubectl and Helm render it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from go_programs import program

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm/perdure"
EVERYTHING = ("serviceMonitor.enabled=true", "podMonitor.enabled=true", "dashboards.enabled=true")

Json = dict[str, Any]


def kubectl() -> list[str]:
    """The command of kubectl: the machine's own, else the one that the test cluster is built with.

    Raises:
        NotBuildable: there is neither.
    """
    own = shutil.which("kubectl")
    return [own] if own else [str(program("kubernetes")), "kubectl"]


def kustomized(folder: str) -> list[Json]:
    """The objects of `kubectl apply -k FOLDER`."""
    return _objects(_output([*kubectl(), "kustomize", str(ROOT / folder)]))


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm and return how that went.

    Raises:
        NotBuildable: there is no Go to build Helm with.
    """
    command = [str(program("helm")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def templated(*values: str) -> list[Json]:
    """The objects of the chart installed as the documents say, with these values."""
    run = helm("template", "perdure", str(CHART), "--namespace=perdure-system", *_set(values))
    assert run.returncode == 0, run.stderr
    return _objects(run.stdout)


def refused(*values: str) -> str:
    """What Helm says to values that it must not take."""
    run = helm("template", "perdure", str(CHART), *_set(values))
    assert run.returncode != 0, run.stdout
    return run.stderr


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    """The objects of one kind."""
    return [obj for obj in objects if obj["kind"] == kind]


def _set(values: tuple[str, ...]) -> list[str]:
    return [f"--set={value}" for value in values]


def _objects(text: str) -> list[Json]:
    return [document for document in yaml.safe_load_all(text) if document]


def _output(command: list[str]) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout
