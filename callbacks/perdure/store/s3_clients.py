"""The two clients of one bucket, configured alike.

botocore, which boto3 is made of, reads configuration and credentials from all the places that AWS
users know, and makes the small calls. obstore moves the bytes: its transfers do not hold Python's
lock, so the training goes on meanwhile.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError, NoCredentialsError
from obstore.store import S3Store as ObstoreS3

from perdure.contract.environment import Encryption
from perdure.store.timeouts import Timeouts

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Credential

MOST_IDLE_CONNECTIONS = 16
MOST_IDLE_SECONDS = 15  # servers close idle connections, S3 after 20 s or so
_LATE_CREDENTIALS = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """The clients, and the credentials that they share."""

    control: Any
    """botocore's client, for the small calls."""
    _reading: ObstoreS3
    _writing: ObstoreS3
    _credentials: Any

    def reading(self) -> ObstoreS3:
        """obstore's store, for bytes that come."""
        self._refresh()
        return self._reading

    def writing(self) -> ObstoreS3:
        """obstore's store, for bytes that go."""
        self._refresh()
        return self._writing

    def _refresh(self) -> None:
        self._credentials.get_frozen_credentials()  # here, because obstore would hide why it failed


class Clients:
    """Made at first use, once there are credentials: a client made without never gets any."""

    def __init__(self, bucket: str, timeouts: Timeouts, encryption: Encryption) -> None:
        self._bucket = bucket
        self._timeouts = timeouts
        self._encryption = encryption
        self._lock = threading.Lock()
        self._made: Made | None = None

    @property
    def where(self) -> str:
        """The server, for a message, once it is known; credentials in its URL are left out."""
        made = self._made
        if made is None:
            return ""
        address = urlsplit(made.control.meta.endpoint_url)
        return f" at {address.scheme}://{address.netloc.rpartition('@')[2]}"

    @property
    def encrypted(self) -> dict[str, str]:
        """How botocore is to ask for encryption in a write."""
        algorithm, key = self._encryption.algorithm, self._encryption.key
        asked = {"ServerSideEncryption": algorithm, "SSEKMSKeyId": key}
        return {name: value for name, value in asked.items() if value}

    def forget(self, made: Made) -> None:
        """Make the clients anew at next use: they read credentials from files only once.

        Many requests fail at once when credentials expire: only the first of them has this effect.
        """
        with self._lock:
            if self._made is made:
                self._made = None

    def made(self) -> Made:
        """The clients as they are now; a request uses the same to its end."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Made:
        session = botocore.session.get_session()
        credentials = session.get_credentials()
        if credentials is None:
            error = NoCredentialsError()
            error.may_come = _may_come()
            raise error
        client = _in_home_region(session, self._control(session, None), self._bucket, self._control)
        # reqwest counts the sending of a body as waiting for the next bytes of the answer
        to_read = {"read_timeout": timedelta(seconds=self._timeouts.read)}
        return Made(
            client,
            self._bytes(session, client, credentials, to_read),
            self._bytes(session, client, credentials, {}),
            credentials,
        )

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

    def _bytes(
        self, session: Any, client: Any, credentials: Any, timeouts: dict[str, timedelta]
    ) -> ObstoreS3:
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
            "timeout": timedelta(seconds=self._timeouts.request),
            "pool_max_idle_per_host": str(MOST_IDLE_CONNECTIONS),
            "pool_idle_timeout": timedelta(seconds=MOST_IDLE_SECONDS),
            **timeouts,  # type: ignore[typeddict-item]
        }
        bundle = session.get_config_variable("ca_bundle")
        if bundle:
            options["root_certificate"] = Path(bundle).read_bytes()
        return ObstoreS3(
            self._bucket,
            config={**config, **_integrity(client), **_encryption(self._encryption)},
            client_options=options,
            # until_deadline tries again, so that each try is counted and has its deadline
            retry_config={
                "max_retries": 0,
                "retry_timeout": timedelta(seconds=self._timeouts.request),
            },
            credential_provider=_Provider(credentials),
        )


class _Provider:
    """botocore's credentials for obstore, which asks anew for each request where they can change."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._can_change = isinstance(credentials, RefreshableCredentials)

    def __call__(self) -> S3Credential:
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) if self._can_change else None,
        }


def _encryption(encryption: Encryption) -> S3Config:
    """How obstore is to ask for encryption in a write."""
    config: S3Config = {}
    if encryption.algorithm:
        config["server_side_encryption"] = encryption.algorithm
    if encryption.key:
        config["sse_kms_key_id"] = encryption.key
    return config


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
