"""The ground of the end-to-end tests, made once."""

from __future__ import annotations

import ground as grounds
import pytest
from cluster.cluster import Cluster
from ground import Ground


@pytest.fixture(scope="session")
def evictions(request: pytest.FixtureRequest) -> int:
    """How often one job is evicted."""
    return int(request.config.getoption("--evictions"))


@pytest.fixture(scope="session")
def places(request: pytest.FixtureRequest) -> int:
    """At how many places the operator is killed."""
    return int(request.config.getoption("--places"))


@pytest.fixture(scope="session")
def ground(cluster: Cluster) -> Ground:
    """Perdure installed on two nodes."""
    return grounds.prepare(cluster)
