"""Real S3 servers as processes of the test session: versitygw and MinIO (built with Go), and moto.

A server keeps its port and its data over `stop` and `start`, so that a test can take it away and
bring it back.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import go_programs

HOST = "127.0.0.1"
ACCESS_KEY = "perdure-tests"
SECRET_KEY = "a-secret-that-no-message-may-show"
REGION = "us-east-1"


def free_port(host: str = HOST) -> int:
    """A port of `host` that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class S3Server:
    """An S3 server as a process of its own, with its log next to its data."""

    name: str
    command: list[str]
    port: int
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    host: str = HOST
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> S3Server:
        """Start it and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            gone = self.process.poll() is not None
            if gone or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(
                    f"{self.name} did not start:\n{(self.folder / 'server.log').read_text()}"
                )
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=5).close()
        except urllib.error.HTTPError as refused:
            refused.close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Kill it as a crash would; what it has stored stays (with moto: is lost)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self) -> Any:
        """A plain boto3 client, for what a test prepares or looks at behind the store's back."""
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.url, region_name=REGION,
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        )  # fmt: skip

    def make_bucket(self) -> str:
        """Create a bucket that nobody else uses."""
        bucket = f"b-{uuid.uuid4().hex[:16]}"
        with contextlib.closing(self.client()) as client:
            client.create_bucket(Bucket=bucket)
        return bucket


@dataclass(frozen=True)
class S3:
    """A fresh bucket on a running server, and the environment that leads a process to it."""

    server: S3Server
    bucket: str

    @property
    def url(self) -> str:
        """The store's URL, as in PERDURE_STORE."""
        return f"s3://{self.bucket}/some/prefix"

    @property
    def environment(self) -> dict[str, str]:
        """boto3's variables for this server."""
        return credentials(self.server.url)


def credentials(endpoint: str, *, secret_key: str = SECRET_KEY) -> dict[str, str]:
    """The environment that makes boto3 use `endpoint` and none of the machine's own AWS set-up."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def versitygw(
    folder: Path,
    *flags: str,
    host: str = HOST,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> S3Server:
    """A versitygw over `folder`, not started. Its buckets are the folders in `data`.

    Raises:
        go_programs.NotBuildable: there is no Go to build it with.
    """
    port, data = free_port(host), folder / "data"
    data.mkdir()
    options = ["--port", f"{host}:{port}", "--region", REGION, *flags, "posix", str(data)]
    variables = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY, **environment}
    command = [str(go_programs.program("versitygw")), *options]
    return S3Server("versitygw", command, port, folder, variables, host)


def minio(folder: Path) -> S3Server:
    """A MinIO over `folder`, not started, with a key of its own to encrypt with, called "a-key".

    Raises:
        go_programs.NotBuildable: there is no Go to build it with.
    """
    port = free_port()
    key = base64.b64encode(bytes(32)).decode()
    variables = {
        "MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_REGION": REGION,
        "MINIO_KMS_SECRET_KEY": f"a-key:{key}", "MINIO_BROWSER": "off", "MINIO_UPDATE": "off",
    }  # fmt: skip
    options = ["server", "--quiet", "--address", f"{HOST}:{port}", str(folder / "data")]
    command = [str(go_programs.program("minio")), *options]
    return S3Server("minio", command, port, folder, variables)


def moto(folder: Path) -> S3Server:
    """A moto server, not started. It checks no signatures."""
    port = free_port()
    return S3Server(
        "moto", [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)], port, folder
    )
