"""S3, and every server that speaks as S3 does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import obstore

from perdure.store.errors import StoreError, TooLarge
from perdure.store.interface import MOST_BYTES, Data
from perdure.store.keys import check_key
from perdure.store.s3_clients import Clients
from perdure.store.s3_errors import store_error
from perdure.store.timeouts import Timeouts


class S3Store:
    """The objects of `bucket` below `prefix`. The clients are made at first use."""

    def __init__(self, bucket: str, prefix: str, timeouts: Timeouts) -> None:
        self._bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._clients = Clients(bucket, timeouts)

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._base}".rstrip("/")

    def get(self, key: str, most_bytes: int = MOST_BYTES) -> Data:
        path = self._path(key)
        with self._errors("read", key):
            found = obstore.get(self._clients.bytes(), path)
            if found.meta["size"] > most_bytes:
                raise TooLarge(key, found.meta["size"], most_bytes)
            return memoryview(found.bytes())

    def put(self, key: str, data: Data) -> None:
        path = self._path(key)
        with self._errors("write", key):
            obstore.put(self._clients.bytes(), path, data, use_multipart=False)

    def create(self, key: str, data: Data) -> None:
        path = self._path(key)
        with self._errors("create", key):
            self._clients.control().put_object(
                Bucket=self._bucket, Key=path, Body=bytes(data), IfNoneMatch="*"
            )

    def list(self, prefix: str) -> dict[str, int]:
        with self._errors("list", prefix):
            pages = self._clients.control().get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=f"{self._base}{prefix}")
            entries = [entry for page in found for entry in page.get("Contents", [])]
        return dict(sorted((e["Key"].removeprefix(self._base), e["Size"]) for e in entries))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._errors("delete", key):
            self._clients.control().delete_object(Bucket=self._bucket, Key=path)

    def _path(self, key: str) -> str:
        return f"{self._base}{check_key(key)}"

    @contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            asked = f"to {verb} s3://{self._bucket}/{self._base}{key}{self._clients.where}"
            meaning = store_error(error, asked, key)
            if meaning is None:
                raise
            raise meaning from None  # the client's own text repeats the request with its access key
