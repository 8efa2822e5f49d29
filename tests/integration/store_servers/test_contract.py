"""What every store does, asked of a folder and of real servers."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from perdure.store import Checked, Exists, Missing, Store, TooLarge, check, until_deadline

RACING = 32


def together(function: Callable[[int], str]) -> list[str]:
    """Call `function` from many threads that all wait for the last of them."""
    barrier = threading.Barrier(RACING)

    def called(number: int) -> str:
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(RACING) as pool:
        return list(pool.map(called, range(RACING)))


def test_what_is_put_can_be_read(store: Store) -> None:
    store.put("runs/1/chunks/abc", b"content")
    assert store.get("runs/1/chunks/abc") == b"content"


def test_put_replaces_what_is_there(store: Store) -> None:
    store.put("a", b"first")
    store.put("a", b"second")
    assert store.get("a") == b"second"


@pytest.mark.parametrize(
    "data", [b"", memoryview(b"view"), memoryview(bytearray(b"writable view"))]
)
def test_bytes_and_views_of_any_length_are_kept(store: Store, data: bytes | memoryview) -> None:
    store.put("put", data)
    store.create("created", data)
    assert store.get("put") == store.get("created") == bytes(data)


def test_of_a_larger_object_than_expected_nothing_is_read(store: Store) -> None:
    store.put("a", b"12345")
    assert store.get("a", 5) == b"12345"
    with pytest.raises(TooLarge, match=r"at most 4 bytes at a. Received: 5 bytes"):
        store.get("a", 4)


def test_a_listing_gives_sizes(store: Store) -> None:
    store.put("a", b"12345")
    store.create("b", b"")
    assert store.list("") == {"a": 5, "b": 0}


def test_64_mib_come_back_as_they_went(store: Store) -> None:
    data = os.urandom(64 * 1024 * 1024 + 1)
    store.put("large", memoryview(data))
    assert store.get("large") == data


def test_a_missing_object_is_missing(store: Store) -> None:
    with pytest.raises(Missing, match=r"runs/1/none") as caught:
        store.get("runs/1/none")
    assert caught.value.key == "runs/1/none"


def test_create_does_not_replace(store: Store) -> None:
    store.create("log/1", b"first")
    with pytest.raises(Exists) as caught:
        store.create("log/1", b"second")
    assert caught.value.key == "log/1"
    assert store.get("log/1") == b"first"


def test_of_32_racing_creators_one_wins(store: Store) -> None:
    patient = until_deadline(store, 60)  # a server may ask the racing ones to come again

    def create(number: int) -> str:
        try:
            patient.create("log/1", b"%d" % number)
        except Exists:
            return "lost"
        return str(number)

    results = Counter(together(create))
    (winner,) = set(results) - {"lost"}
    assert results == {"lost": RACING - 1, winner: 1}
    assert store.get("log/1") == winner.encode()


def test_many_threads_put_and_get_at_once(store: Store) -> None:
    def there_and_back(number: int) -> str:
        store.put(f"chunks/{number}", b"%d" % number * 1000)
        return str(store.get(f"chunks/{number}") == b"%d" % number * 1000)

    assert Counter(together(there_and_back)) == {"True": RACING}


def test_list_is_sorted_and_knows_prefixes_not_folders(store: Store) -> None:
    for key in ("log/2", "log/10", "log.txt", "logs/1", "other/log/1"):
        store.put(key, b"")
    assert list(store.list("log")) == ["log.txt", "log/10", "log/2", "logs/1"]
    assert list(store.list("log/")) == ["log/10", "log/2"]
    assert list(store.list("")) == ["log.txt", "log/10", "log/2", "logs/1", "other/log/1"]
    assert list(store.list("nothing/here")) == []


def test_list_is_complete_beyond_a_page(store: Store) -> None:
    keys = [f"log/{number:08d}.json" for number in range(1205)]  # a page of S3 has 1000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"{}"), keys))
    assert list(store.list("log/")) == keys


def test_delete_removes_and_does_not_mind_what_is_gone(store: Store) -> None:
    store.put("a", b"")
    store.delete("a")
    store.delete("a")
    assert list(store.list("")) == []
    store.create("a", b"again")


UNUSUAL = (
    "a b/ü", "u\u0308", "訓練/🧪", "a%20b", "%2e%2e/a", "a+b&c=d", "a#b?c", "~!*'()", "k:v@x,y;z",
    "...", ".hidden", "k" * 255, "/".join(["n" * 100] * 8), "ü" * 127,
)  # fmt: skip
REFUSED = (
    "", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../../b", ".", "a/./b", "a\nb", "a\0b",
    "a\x7fb", "a\u202eb", "a\u200bb", "a\u00a0b", "a\ud800b", "a\\b", "k" * 256, "ü" * 128,
    "/".join(["n" * 100] * 9),
)  # fmt: skip


def test_unusual_keys_mean_the_same_to_all_operations(store: Store) -> None:
    for key in UNUSUAL:
        store.put(key, key.encode())
        with pytest.raises(Exists):
            store.create(key, b"created")
    assert list(store.list("")) == sorted(UNUSUAL)
    for key in UNUSUAL:
        assert store.get(key) == key.encode()
        assert key in store.list(key)
        store.delete(key)
    assert store.list("") == {}


def test_keys_that_could_mean_something_else_are_refused(store: Store) -> None:
    for key in REFUSED:
        for function in (store.get, store.delete):
            with pytest.raises(ValueError, match="Expected"):
                function(key)
        for write in (store.put, store.create):
            with pytest.raises(ValueError, match="Expected"):
                write(key, b"")
    assert store.list("") == {}


def test_the_check_passes_and_leaves_nothing(store: Store) -> None:
    store.put("before", b"")
    assert check(store, "runs/1/probe") == Checked(honours_condition=True, keeps_versions=False)
    assert list(store.list("")) == ["before"]
