"""Retrying until a deadline, with a clock that does not take its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from perdure.store import Exists, Missing, Store, StoreError, Unavailable, Unusable, until_deadline


class Failing:
    """A store whose calls fail with the errors given, one after the other, and then work."""

    url = "file:///failing"

    def __init__(self, *errors: StoreError) -> None:
        self._errors: Iterator[StoreError] = iter(errors)
        self.calls: list[str] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        for error in self._errors:
            raise error

    def get(self, key: str, most_bytes: int = 0) -> bytes:
        self._called(f"get {key}")
        return b"content"

    def put(self, key: str, data: bytes | memoryview) -> None:
        self._called(f"put {key} {bytes(data)!r}")

    def create(self, key: str, data: bytes | memoryview) -> None:
        self._called(f"create {key} {bytes(data)!r}")

    def list(self, prefix: str) -> dict[str, int]:
        self._called(f"list {prefix}")
        return {"a": 7}

    def delete(self, key: str) -> None:
        self._called(f"delete {key}")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds slept; the clock goes on by them at once."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + sum(seconds))
    return seconds


AWAY = Unavailable("It is away.")


@pytest.mark.parametrize(
    ("call", "name", "result"),
    [
        (lambda store: store.get("a"), "get a", b"content"),
        (lambda store: store.put("a", b"x"), "put a b'x'", None),
        (lambda store: store.create("a", b"x"), "create a b'x'", None),
        (lambda store: store.list("a"), "list a", {"a": 7}),
        (lambda store: store.delete("a"), "delete a", None),
    ],
)
def test_every_call_is_repeated_until_it_works(
    slept: list[float], call: Callable[[Store], object], name: str, result: object
) -> None:
    store = Failing(AWAY, AWAY)
    assert call(until_deadline(store, 300, sleep=slept.append)) == result
    assert store.calls == [name] * 3
    assert len(slept) == 2


@pytest.mark.parametrize("error", [Missing("a"), Exists("a"), Unusable("Access denied.")])
def test_what_waiting_does_not_help_is_raised_at_once(
    slept: list[float], error: StoreError
) -> None:
    store = Failing(error)
    with pytest.raises(type(error)) as caught:
        until_deadline(store, 300, sleep=slept.append).get("a")
    assert caught.value is error
    assert slept == []


def test_pauses_grow_to_a_limit_and_the_last_try_is_at_the_deadline(slept: list[float]) -> None:
    store = Failing(*[AWAY] * 1000)
    with pytest.raises(Unavailable, match=r"It is away\. Given up after \d+ tries in 300 s\."):
        until_deadline(store, 300, sleep=slept.append).get("a")
    assert sum(slept) == pytest.approx(300)
    assert slept[0] < 1
    assert max(slept) <= 10.5
    assert 30 < len(slept) < 60


def test_a_deadline_of_zero_tries_once(slept: list[float]) -> None:
    store = Failing(AWAY)
    with pytest.raises(Unavailable):
        until_deadline(store, 0, sleep=slept.append).get("a")
    assert store.calls == ["get a"]


def test_retries_are_told(slept: list[float]) -> None:
    told: list[tuple[str, float]] = []
    store = until_deadline(
        Failing(AWAY, AWAY), 300, sleep=slept.append,
        on_retry=lambda error, seconds: told.append((str(error), seconds)),
    )  # fmt: skip
    store.get("a")
    assert told == [("It is away.", 0), ("It is away.", pytest.approx(slept[0]))]


def test_the_url_is_that_of_the_store() -> None:
    assert until_deadline(Failing(), 1).url == "file:///failing"
