"""A namespace of its own for each test, on a real API server."""

from __future__ import annotations

import uuid

import pytest
from cluster.control_plane import ControlPlane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A fresh namespace; what is in it goes with the cluster."""
    return control_plane.namespace(f"n-{uuid.uuid4().hex[:12]}")
