"""What is asked of a store: requests by kind and bytes, for metrics and for the bill."""

from __future__ import annotations

import math
import threading
from typing import Literal

from perdure.store.interface import MOST_BYTES, Data, Store

Request = Literal["write", "read", "list", "delete"]

KEYS_PER_PAGE = 1000  # of a listing: S3 answers each page to a request of its own


class Meter:
    """Counts from the start of the process. May be read and written by several threads at once.

    A try that failed is counted as well: it was sent, and it may be on the bill.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[Request, int] = {"write": 0, "read": 0, "list": 0, "delete": 0}
        self._sent_bytes = self._received_bytes = 0

    @property
    def requests(self) -> dict[Request, int]:
        """Requests by kind: "write" (put and create), "read", "list" (its pages) and "delete"."""
        with self._lock:
            return dict(self._requests)

    @property
    def sent_bytes(self) -> int:
        """Bytes of objects that were sent, also in vain."""
        return self._sent_bytes

    @property
    def received_bytes(self) -> int:
        """Bytes of objects that were received."""
        return self._received_bytes

    def count(self, kind: Request, requests: int = 1, sent: int = 0, received: int = 0) -> None:
        """Add requests, and the bytes sent and received with them."""
        with self._lock:
            self._requests[kind] += requests
            self._sent_bytes += sent
            self._received_bytes += received


def metered(store: Store, meter: Meter) -> Store:
    """A store like `store` whose every request is counted in `meter`: stands below `until_deadline`."""
    return _Metered(store, meter)


class _Metered:
    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter

    @property
    def url(self) -> str:
        return self._store.url

    def get(self, key: str, most_bytes: int = MOST_BYTES) -> Data:
        self._meter.count("read")
        data = self._store.get(key, most_bytes)
        self._meter.count("read", requests=0, received=len(data))
        return data

    def put(self, key: str, data: Data) -> str | None:
        self._meter.count("write", sent=len(data))
        return self._store.put(key, data)

    def create(self, key: str, data: Data) -> None:
        self._meter.count("write", sent=len(data))
        self._store.create(key, data)

    def list(self, prefix: str) -> dict[str, int]:
        self._meter.count("list")
        found = self._store.list(prefix)
        pages = max(1, math.ceil(len(found) / KEYS_PER_PAGE))
        self._meter.count("list", requests=pages - 1)
        return found

    def delete(self, key: str) -> None:
        self._meter.count("delete")
        self._store.delete(key)
