"""S3, and every server that speaks as S3 does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import obstore
from obstore.store import S3Store as ObstoreS3

from perdure.store.interface import Data
from perdure.store.keys import check_key
from perdure.store.s3_clients import Clients
from perdure.store.s3_errors import store_error
from perdure.store.timeouts import Timeouts

MIB = 1024 * 1024
GET_PIECE_BYTES = 16 * MIB
PUT_PART_BYTES = 8 * MIB  # small enough for a slow line to move four within the time of one request
MOST_PARTS = 9_000  # S3 allows 10 000
PARALLEL = 4


class S3Store:
    """The objects of `bucket` below `prefix`. The clients are made at first use."""

    def __init__(self, bucket: str, prefix: str, timeouts: Timeouts) -> None:
        self._bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._clients = Clients(bucket, timeouts)

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._base}".rstrip("/")

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with self._errors("read", key):
            return _download(self._clients.bytes(), path)

    def put(self, key: str, data: Data) -> None:
        path, size = self._path(key), len(data)
        part = max(PUT_PART_BYTES, -(-size // MOST_PARTS))
        with self._errors("write", key):
            obstore.put(
                self._clients.bytes(), path, data, chunk_size=part, max_concurrency=PARALLEL
            )

    def create(self, key: str, data: Data) -> None:
        path = self._path(key)
        with self._errors("create", key):
            self._clients.control().put_object(
                Bucket=self._bucket, Key=path, Body=bytes(data), IfNoneMatch="*"
            )

    def list(self, prefix: str) -> list[str]:
        with self._errors("list", prefix):
            pages = self._clients.control().get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=f"{self._base}{prefix}")
            keys = [entry["Key"] for page in found for entry in page.get("Contents", [])]
        return sorted(key.removeprefix(self._base) for key in keys)

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
        except Exception as error:
            asked = f"to {verb} s3://{self._bucket}/{self._base}{key}{self._clients.where}"
            meaning = store_error(error, asked, key)
            if meaning is None:
                raise
            raise meaning from None  # the client's own text repeats the request with its access key


def _download(store: ObstoreS3, path: str) -> bytes:
    """Read an object; a large one in pieces, so that each fits the time of one request."""
    whole = obstore.get(store, path)
    size = whole.meta["size"]
    if size <= GET_PIECE_BYTES:
        return whole.bytes().to_bytes()
    del whole

    def piece(start: int) -> obstore.Bytes:
        return obstore.get_range(store, path, start=start, end=min(start + GET_PIECE_BYTES, size))

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="perdure-get") as pool:
        return b"".join(pool.map(piece, range(0, size, GET_PIECE_BYTES)))
