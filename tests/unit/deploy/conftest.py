"""The programs in deploy/, and a skip where Helm or kubectl cannot be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import rendering
from go_programs import NotBuildable

sys.path.insert(0, str(Path(__file__).parents[3] / "deploy"))


@pytest.fixture(scope="session")
def helm() -> None:
    """Helm can be run."""
    try:
        rendering.helm("version")
    except NotBuildable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kubectl() -> None:
    """kubectl can be run."""
    try:
        rendering.kubectl()
    except NotBuildable as error:
        pytest.skip(str(error))
