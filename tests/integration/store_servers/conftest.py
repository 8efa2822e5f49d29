"""Stores over a folder and over real servers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import s3_server
from s3_server import S3, S3Server

from perdure.store import Store, Timeouts, open_store

SHORT = Timeouts(connect=1, read=1, request=2)

OpenS3 = Callable[..., Store]


@pytest.fixture
def open_s3(monkeypatch: pytest.MonkeyPatch) -> OpenS3:
    """Open an S3 store with the environment of `endpoint` instead of the machine's own."""

    def opened(bucket: str, endpoint: str, timeouts: Timeouts = SHORT, **variables: str) -> Store:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        for name, value in {**s3_server.credentials(endpoint), **variables}.items():
            monkeypatch.setenv(name, value)
        return open_store(f"s3://{bucket}/some/prefix", timeouts)

    return opened


@pytest.fixture(scope="session", params=["versitygw", "minio", "moto_server"])
def each_s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each S3 server in turn."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["local", "versitygw", "minio", "moto_server"])
def store(request: pytest.FixtureRequest, tmp_path: Path, open_s3: OpenS3) -> Store:
    """A fresh store of each kind in turn."""
    if request.param == "local":
        return open_store((tmp_path / "a folder").as_uri())
    server: S3Server = request.getfixturevalue(request.param)
    return open_s3(server.make_bucket(), server.url, Timeouts())


@pytest.fixture
def s3_store(s3: S3, open_s3: OpenS3) -> Store:
    """A fresh store on each S3 server in turn."""
    return open_s3(s3.bucket, s3.server.url)
