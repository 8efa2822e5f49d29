"""What is counted of the requests to a store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from perdure.store import Exists, Meter, Missing, Store, Unavailable, metered, until_deadline
from perdure.store.local import LocalStore


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def store(tmp_path: Path, meter: Meter) -> Store:
    return metered(LocalStore(tmp_path), meter)


def test_each_kind_is_counted_with_its_bytes(store: Store, meter: Meter) -> None:
    assert meter.requests == {"write": 0, "read": 0, "list": 0, "delete": 0}
    store.put("a", b"12345")
    store.create("b", memoryview(b"123"))
    store.get("a")
    store.list("")
    store.delete("a")
    assert meter.requests == {"write": 2, "read": 1, "list": 1, "delete": 1}
    assert (meter.sent_bytes, meter.received_bytes) == (8, 5)


def test_what_failed_was_asked_all_the_same(store: Store, meter: Meter) -> None:
    store.create("a", b"1")
    with pytest.raises(Exists):
        store.create("a", b"2")
    with pytest.raises(Missing):
        store.get("none")
    assert meter.requests == {"write": 2, "read": 1, "list": 0, "delete": 0}
    assert (meter.sent_bytes, meter.received_bytes) == (2, 0)


def test_every_try_is_counted(meter: Meter) -> None:
    class Away:
        url = "away"
        left = 3

        def put(self, key: str, data: bytes) -> str:
            self.left -= 1
            if self.left:
                raise Unavailable("It is away.")
            return "a version"

    patient = until_deadline(
        metered(Away(), meter),  # type: ignore[arg-type]
        60,
        sleep=lambda _seconds: None,
    )
    assert patient.put("a", b"12") == "a version"
    assert (meter.requests["write"], meter.sent_bytes) == (3, 6)


@pytest.mark.parametrize(("keys", "pages"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_listing_costs_a_request_for_each_page(meter: Meter, keys: int, pages: int) -> None:
    class Full:
        def list(self, prefix: str) -> dict[str, int]:
            return {f"{prefix}{number}": 0 for number in range(keys)}

    assert len(metered(Full(), meter).list("")) == keys  # type: ignore[arg-type]
    assert meter.requests["list"] == pages


def test_threads_lose_no_count(store: Store, meter: Meter) -> None:
    store.put("a", b"12")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.get("a"), range(1000)))
    assert (meter.requests["read"], meter.received_bytes) == (1000, 2000)


def test_the_url_is_that_of_the_store(store: Store, tmp_path: Path) -> None:
    assert store.url == tmp_path.as_uri()
