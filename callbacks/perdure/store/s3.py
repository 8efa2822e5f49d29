"""S3, and every server that speaks as S3 does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import obstore
from botocore.exceptions import ClientError

from perdure.contract.environment import SSE, Encryption
from perdure.store.errors import Exists, Expired, StoreError, TooLarge, Unavailable, Unusable
from perdure.store.interface import MOST_BYTES, Data
from perdure.store.keys import MOST_BYTES_WITH_PREFIX, check_key, is_key
from perdure.store.s3_clients import Clients, Made
from perdure.store.s3_errors import store_error
from perdure.store.timeouts import Timeouts


class S3Store:
    """The objects of `bucket` below `prefix`. The clients are made at first use."""

    def __init__(
        self, bucket: str, prefix: str, timeouts: Timeouts, encryption: Encryption
    ) -> None:
        self._bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._clients = Clients(bucket, timeouts, encryption)

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._base}".rstrip("/")

    def get(self, key: str, most_bytes: int = MOST_BYTES) -> Data:
        path = self._path(key)
        with self._request("read", key) as clients:
            found = obstore.get(clients.reading(), path)
            size = found.meta["size"]
            if size > most_bytes:
                raise TooLarge(key, size, most_bytes)
            data = memoryview(found.bytes())
            if len(data) != size:
                raise Unavailable(f"Expected {size} bytes at {key}. Received: {len(data)}.")
            return data

    def put(self, key: str, data: Data) -> str | None:
        path = self._path(key)
        with self._request("write", key) as clients:
            done = obstore.put(clients.writing(), path, data, use_multipart=False)
        version = done["version"]
        return None if version == "null" else version  # "null": versions are no longer kept

    def create(self, key: str, data: Data) -> None:
        path = self._path(key)
        with self._request("create", key) as clients:
            try:
                done = clients.control.put_object(
                    Bucket=self._bucket,
                    Key=path,
                    Body=bytes(data),
                    IfNoneMatch="*",
                    **self._clients.encrypted,
                )
            except ClientError as error:
                if _status(error) == 412:
                    raise Exists(key) from None
                raise
        self._expect_encrypted(done.get("ServerSideEncryption", ""))

    def list(self, prefix: str) -> dict[str, int]:
        with self._request("list", prefix) as clients:
            pages = clients.control.get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=f"{self._base}{prefix}")
            try:
                entries = [entry for page in found for entry in page.get("Contents", [])]
                sizes = {entry["Key"].removeprefix(self._base): entry["Size"] for entry in entries}
            except (KeyError, ValueError) as error:
                raise Unavailable(f"Expected a listing of {self.url}. Received: {error}.") from None
        return {key: sizes[key] for key in sorted(sizes) if is_key(key)}

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._request("delete", key) as clients:
            clients.control.delete_object(Bucket=self._bucket, Key=path)

    def _expect_encrypted(self, algorithm: str) -> None:
        """A server that does not know the wish answers as if there were none."""
        expected = self._clients.encrypted.get("ServerSideEncryption", algorithm)
        if algorithm != expected:
            raise Unusable(
                f"Expected {self.url} to encrypt with {expected}, as {SSE} asks. Received: "
                f"{algorithm or 'an object that is not encrypted'}. Unset {SSE}, or use a server that "
                f"can do it."
            )

    def _path(self, key: str) -> str:
        path = f"{self._base}{check_key(key)}"
        if len(path.encode()) > MOST_BYTES_WITH_PREFIX:
            raise Unusable(
                f"Expected a key of at most {MOST_BYTES_WITH_PREFIX} bytes, the store's prefix "
                f"included. Received: {path}. Use a shorter prefix."
            )
        return path

    @contextmanager
    def _request(self, verb: str, key: str) -> Iterator[Made]:
        """The clients for one request, whose failures mean what `errors` says."""
        made = None
        try:
            made = self._clients.made()
            yield made
        except StoreError:
            raise
        except Exception as error:
            asked = f"to {verb} s3://{self._bucket}/{self._base}{key}{self._clients.where}"
            meaning = store_error(error, asked, key)
            if meaning is None:
                raise
            if isinstance(meaning, Expired) and made is not None:
                self._clients.forget(made)
            raise meaning from None  # the client's own text repeats the request with its access key


def _status(error: ClientError) -> Any:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
