"""A namespace of its own for each test, on a real API server."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.control_plane import ControlPlane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A fresh namespace; what is in it goes with the cluster."""
    return control_plane.namespace(f"n-{uuid.uuid4().hex[:12]}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A transport whose other end a proxy has cut is closed when it is collected, which asyncio tells."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect them here, not in the middle of another test."""
    yield
    gc.collect()
