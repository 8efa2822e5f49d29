"""The fixtures `control_plane` and `cluster`, one of each per test process.

Every process that asks gets its own, so tests of the control plane alone may be spread over workers.
Tests on nodes are marked `cluster`; they are run by one process, for nodes and images are dear.
"""

from __future__ import annotations

from collections.abc import Iterator

import go_programs
import pytest
from go_programs import NotBuildable

from cluster import requirements
from cluster.cluster import Cluster
from cluster.control_plane import ControlPlane

COLD = 1800  # seconds: a first run builds Kubernetes and the images
TOOLS = {"helm", "kubectl"}
BUILT = TOOLS | {"cluster", "control_plane", "plane"}


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", "cluster: needs nodes; run it without xdist")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the fixtures, so that no test has to say it twice."""
    for item in items:
        used = getattr(item, "fixturenames", ())
        if "cluster" in used:
            item.add_marker("cluster")
        if TOOLS & {*used}:
            item.add_marker("slow")
        if BUILT & {*used} and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(COLD))


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server with its controllers and scheduler, and no node: pods stay pending."""
    try:
        with Cluster(nodes=0) as cluster:
            yield cluster.control_plane
    except NotBuildable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of two nodes, with the operator and the digits example on them."""
    try:
        with Cluster(nodes=2, targets=["operator", "example"]) as cluster:
            yield cluster
    except NotBuildable as error:
        pytest.skip(str(error))


@pytest.fixture
def nodes_possible() -> None:
    """Skip where the machine lacks what nodes need."""
    try:
        requirements.check()
        go_programs.program("containerd")
    except NotBuildable as error:
        pytest.skip(str(error))
