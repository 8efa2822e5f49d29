"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import s3_server
from go_programs import NotBuildable
from s3_server import S3, S3Server

pytest_plugins = ["cluster.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of the long tests is run: CI runs a sample, CONTRIBUTING says how to run the whole."""
    parser.addoption("--disturbances", type=int, default=10, help="kills per way to give data")
    parser.addoption("--store", choices=["file", "s3"], default="file", help="where they save")
    parser.addoption("--evictions", type=int, default=10, help="evictions of one job on a cluster")
    parser.addoption("--walks", type=int, default=20, help="random walks of the reconcile")
    parser.addoption("--kills", type=int, default=6, help="requests to be killed at, 0 for each")
    parser.addoption("--faults", type=int, default=25, help="saves under random faults")
    parser.addoption("--orders", type=int, default=60, help="orders of requests, 0 for all")
    parser.addoption("--zoo", type=int, default=3, help="kinds of models and loops, 0 for all")
    parser.addoption("--scenes", type=int, default=2, help="scenes of the covering set")
    parser.addoption("--places", type=int, default=4, help="where the operator is killed")


@pytest.fixture(scope="session")
def disturbances(request: pytest.FixtureRequest) -> int:
    """How often each training is disturbed."""
    return int(request.config.getoption("--disturbances"))


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running versitygw, which checks signatures and keeps its data over a restart."""
    try:
        server = s3_server.versitygw(tmp_path_factory.mktemp("versitygw"))
    except NotBuildable as error:
        pytest.skip(str(error))
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running MinIO, which can encrypt."""
    try:
        server = s3_server.minio(tmp_path_factory.mktemp("minio"))
    except NotBuildable as error:
        pytest.skip(str(error))
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running moto server, which needs nothing but Python."""
    server = s3_server.moto(tmp_path_factory.mktemp("moto"))
    yield server.start()
    server.stop()


@pytest.fixture(scope="session", params=["versitygw", "moto_server"])
def each_s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each S3 server in turn."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def s3(each_s3_server: S3Server) -> S3:
    """A fresh bucket on each S3 server in turn."""
    return S3(each_s3_server, each_s3_server.make_bucket())
