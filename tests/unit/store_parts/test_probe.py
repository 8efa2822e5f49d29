"""What is found out about a store before anything depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.store import Exists, Missing, Unavailable, Unusable, check
from perdure.store.local import LocalStore


class Memory:
    """A store in memory, to be broken by subclasses."""

    url = "memory"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get(self, key: str, most_bytes: int = 0) -> bytes:
        if key not in self.objects:
            raise Missing(key)
        return self.objects[key]

    def put(self, key: str, data: bytes | memoryview) -> None:
        self.objects[key] = bytes(data)

    def create(self, key: str, data: bytes | memoryview) -> None:
        if key in self.objects:
            raise Exists(key)
        self.put(key, data)

    def list(self, prefix: str) -> dict[str, int]:
        found = sorted(key for key in self.objects if key.startswith(prefix))
        return {key: len(self.objects[key]) for key in found}

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class Overwriting(Memory):
    """A server that ignores the condition."""

    def create(self, key: str, data: bytes | memoryview) -> None:
        self.put(key, data)


class Denying(Memory):
    """A server that denies one kind of call."""

    def __init__(self, denied: str, error: type[Exception] = Unusable) -> None:
        super().__init__()

        def deny(*_arguments: object) -> None:
            raise error("Denied.")

        setattr(self, denied, deny)


class LosingAnswers(Memory):
    """A server whose answer to the first creation was lost, so that the client sent it again."""

    def create(self, key: str, data: bytes | memoryview) -> None:
        self.put(key, data)
        raise Exists(key)


class Versioned(Memory):
    """A bucket that names a version in its answer to a write."""

    def __init__(self, version: str | None) -> None:
        super().__init__()
        self.version = version

    def put(self, key: str, data: bytes | memoryview) -> str | None:
        super().put(key, data)
        return self.version


class Caching(Memory):
    """A server behind a cache."""

    def get(self, key: str, most_bytes: int = 0) -> bytes:
        return b"something old"


def test_a_store_that_works(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert check(store, "runs/1/probe").honours_condition
    assert list(store.list("")) == []


def test_a_server_that_ignores_the_condition_is_found() -> None:
    store = Overwriting()
    assert not check(store, "probe").honours_condition
    assert store.objects == {}


def test_a_lost_answer_is_not_taken_for_an_ignored_condition() -> None:
    assert check(LosingAnswers(), "probe").honours_condition


@pytest.mark.parametrize(("version", "keeps"), [(None, False), ("a version", True)])
def test_a_bucket_that_keeps_versions_is_found(version: str | None, keeps: bool) -> None:
    assert check(Versioned(version), "probe").keeps_versions is keeps


@pytest.mark.parametrize("denied", ["put", "create", "list", "get", "delete"])
def test_a_denied_call_is_found_and_nothing_is_left(denied: str) -> None:
    store = Denying(denied)
    with pytest.raises(Unusable, match="Denied"):
        check(store, "probe")
    assert denied == "delete" or store.objects == {}


def test_an_absent_store_is_not_asked_to_clean_up() -> None:
    store = Denying("list", Unavailable)
    with pytest.raises(Unavailable):
        check(store, "probe")


def test_a_cache_is_found() -> None:
    with pytest.raises(Unusable, match="Is there a cache"):
        check(Caching(), "probe")
