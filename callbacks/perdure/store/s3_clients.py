"""The two clients of one bucket, configured alike.

botocore, which boto3 is made of, reads configuration and credentials from all the places that AWS
users know, and makes the small calls. obstore moves the bytes: its transfers do not hold Python's
lock, so the training goes on meanwhile.
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store as ObstoreS3

from perdure.store.timeouts import Timeouts

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

CREDENTIALS_TTL = timedelta(minutes=6)  # obstore asks again 5 minutes before: at least every minute
OBSTORE_TRIES = 3  # for a hiccup; until_deadline is for what lasts longer
_LATE_CREDENTIALS = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip


class Clients:
    """Made at first use, once there are credentials: a client made without never gets any."""

    def __init__(self, bucket: str, timeouts: Timeouts) -> None:
        self._bucket = bucket
        self._timeouts = timeouts
        self._lock = threading.Lock()
        self._made: tuple[Any, ObstoreS3, Any] | None = None

    @property
    def where(self) -> str:
        """The server, for a message, once it is known; credentials in its URL are left out."""
        if self._made is None:
            return ""
        address = urlsplit(self._made[0].meta.endpoint_url)
        return f" at {address.scheme}://{address.netloc.rpartition('@')[2]}"

    def control(self) -> Any:
        """botocore's client, for the small calls."""
        return self._both()[0]

    def bytes(self) -> ObstoreS3:
        """obstore's store, for the bytes."""
        _, store, credentials = self._both()
        credentials.get_frozen_credentials()  # refreshed here: obstore would hide why it failed
        return store

    def _both(self) -> tuple[Any, ObstoreS3, Any]:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> tuple[Any, ObstoreS3, Any]:
        session = botocore.session.get_session()
        credentials = session.get_credentials()
        if credentials is None:
            error = NoCredentialsError()
            error.may_come = _may_come()
            raise error
        client = _in_home_region(session, self._control(session, None), self._bucket, self._control)
        return client, self._bytes(session, client), credentials

    def _control(self, session: Any, region: str | None) -> Any:
        config = Config(
            connect_timeout=self._timeouts.connect,
            read_timeout=self._timeouts.read,
            # botocore draws its pauses from Python's global random stream, which belongs to the
            # training and must not be touched; until_deadline tries again instead.
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=16,
            user_agent_extra="perdure",
        )
        return session.create_client("s3", region_name=region, config=config)

    def _bytes(self, session: Any, client: Any) -> ObstoreS3:
        endpoint = client.meta.endpoint_url
        virtual = _is_virtual(client, self._bucket)
        config: S3Config = {
            "aws_endpoint_url_s3": _with_host(endpoint, self._bucket) if virtual else endpoint,
            "virtual_hosted_style_request": virtual,
            "region": client.meta.region_name,
        }
        options: ClientConfig = {
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=self._timeouts.connect),
            "read_timeout": timedelta(seconds=self._timeouts.read),
            "timeout": timedelta(seconds=self._timeouts.request),
        }
        bundle = session.get_config_variable("ca_bundle")
        if bundle:
            options["root_certificate"] = Path(bundle).read_bytes()
        return ObstoreS3(
            self._bucket,
            config={**config, **_integrity(client)},
            client_options=options,
            retry_config={
                "max_retries": OBSTORE_TRIES - 1,
                "retry_timeout": timedelta(seconds=self._timeouts.request),
            },
            credential_provider=Boto3CredentialProvider(session, ttl=CREDENTIALS_TTL),
        )


def _integrity(client: Any) -> S3Config:
    """How a server finds out that bytes changed on their way.

    With a checksum, the bytes need not go into the signature as well, which halves the speed or
    worse; a reader compares them with the digest in the record, which is signed. For a server that
    does not know the checksum, they go into the signature, which every server verifies.
    """
    if client.meta.config.request_checksum_calculation == "when_required":
        return {"unsigned_payload": False}
    return {"unsigned_payload": True, "checksum_algorithm": "crc64nvme"}


def _may_come() -> bool:
    """Whether credentials can still appear: from a token file or a metadata service."""
    has_metadata = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true"
    return has_metadata or any(name in os.environ for name in _LATE_CREDENTIALS)


def _is_aws(client: Any) -> bool:
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _is_virtual(client: Any, bucket: str) -> bool:
    """Whether the bucket is part of the host's name: as botocore decides it."""
    style = (client.meta.config.s3 or {}).get("addressing_style", "auto")
    if style == "auto":
        return _is_aws(client) and "." not in bucket
    return bool(style == "virtual")


def _with_host(endpoint: str, bucket: str) -> str:
    return endpoint.replace("://", f"://{bucket}.", 1)


def _in_home_region(session: Any, client: Any, bucket: str, make: Any) -> Any:
    """On AWS, a client in the bucket's region: botocore follows to it by itself, obstore cannot."""
    if not _is_aws(client):
        return client
    home = home_region(client, bucket)
    return make(session, home) if home and home != client.meta.region_name else client


def home_region(client: Any, bucket: str) -> str | None:
    """The region of `bucket`, which even a refusal names."""
    response: dict[str, Any] = {}
    try:
        response = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        response = error.response
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region: str | None = headers.get("x-amz-bucket-region")
    return region
