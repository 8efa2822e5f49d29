"""Every fault of a network, a server or a cache at every call of a store, before a real server.

What a store promises: a call works, or it raises what its caller can act on. It does not promise
that the bytes of an object are right: a server compares what it gets with a checksum, and whoever
reads knows the digest of what was written. Over plain HTTP nobody finds a changed bit in a listing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import s3_faults
from s3_faults import (
    Cut,
    Delay,
    Fault,
    Flip,
    LoseAnswer,
    Refuse,
    Request,
    Shorten,
    Stall,
    Truncate,
    WrongETag,
)
from s3_proxy import S3Proxy
from s3_server import S3Server

from perdure.store import (
    Exists,
    Expired,
    Meter,
    Missing,
    Store,
    StoreError,
    Timeouts,
    Unavailable,
    Unusable,
    metered,
    until_deadline,
)

CONTENT = os.urandom(300_000)
CALLS: dict[str, Callable[[Store], Any]] = {
    "get": lambda store: store.get("a"),
    "put": lambda store: store.put("b", CONTENT),
    "create": lambda store: store.create("c", CONTENT),
    "list": lambda store: store.list(""),
    "delete": lambda store: store.delete("d"),
}
RIGHT = {"get": CONTENT, "put": None, "create": None, "list": {"a": len(CONTENT)}, "delete": None}

Ends = type[Exception] | str
ALL: dict[Fault, Ends] = {
    Refuse(500, "InternalError"): Unavailable,
    Refuse(503, "ServiceUnavailable"): Unavailable,
    s3_faults.SLOW_DOWN: Unavailable,
    Refuse(429, "TooManyRequestsException"): Unavailable,
    Refuse(409, "OperationAborted"): Unavailable,
    Refuse(403, "RequestTimeTooSkewed"): Unavailable,
    Refuse(400, "ExpiredToken"): Expired,
    Refuse(404, "NoSuchBucket"): Unusable,
    Refuse(403, "AccessDenied"): Unusable,
    Refuse(404, "NoSuchKey"): Missing,
    Refuse(412, "PreconditionFailed"): Unavailable,
    Cut("request"): Unavailable,
    Cut("answer"): Unavailable,
    LoseAnswer(): Unavailable,
    Truncate(): Unavailable,
    Stall("request"): Unavailable,
    Stall("answer"): Unavailable,
    Shorten(): "right",
    Flip("request"): "right",
    WrongETag(): "right",
    Delay(0.1): "right",
}
SPECIAL: dict[tuple[Fault, str], Ends] = {
    (Refuse(412, "PreconditionFailed"), "create"): Exists,
    (Truncate(), "create"): "right",  # the status line had come
    (Truncate(), "delete"): "right",
    (Shorten(), "get"): "other bytes",
    (Shorten(), "list"): Unavailable,  # half a document is none
    (Flip("request"), "put"): Unavailable,
    (Flip("request"), "create"): Unavailable,
}


@pytest.fixture
def proxy(versitygw: S3Server) -> Iterator[S3Proxy]:
    with S3Proxy(versitygw.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(versitygw: S3Server, proxy: S3Proxy, open_s3: Callable[..., Store]) -> Store:
    """A store with an object "a", behind the proxy."""
    store = open_s3(versitygw.make_bucket(), proxy.url, Timeouts(connect=1, read=0.5, request=1))
    store.put("a", CONTENT)
    return store


def outcome(call: str, store: Store) -> Ends:
    """What `call` ends with; the store holds the object "a" and nothing else before and after it."""
    try:
        received = CALLS[call](store)
    except StoreError as error:
        return type(error)
    return "right" if received == RIGHT[call] else "other bytes"


def clean(store: Store) -> dict[str, int]:
    """Remove what a call has written, and give back what it was."""
    written = {key: size for key, size in store.list("").items() if key != "a"}
    for key in written:
        store.delete(key)
    return written


@pytest.mark.parametrize("fault", ALL, ids=str)
def test_what_each_call_ends_with(proxied: Store, proxy: S3Proxy, fault: Fault) -> None:
    for number, call in enumerate(CALLS, start=1):
        proxy.on_request = s3_faults.first(1, fault)
        assert outcome(call, proxied) == SPECIAL.get((fault, call), ALL[fault]), call
        assert len(proxy.faults) == number, "nothing below tries again unseen"
        assert set(clean(proxied).values()) <= {len(CONTENT)}, "half an object is none"


@pytest.mark.parametrize("fault", s3_faults.TRANSIENT, ids=str)
def test_what_passes_is_outlived(proxied: Store, proxy: S3Proxy, fault: Fault) -> None:
    patient = until_deadline(proxied, 30, sleep=lambda _seconds: None)
    for call in CALLS:
        proxy.on_request = s3_faults.first(2, fault)
        finds_itself = call == "create" and fault in (LoseAnswer(), Cut("answer"))
        assert outcome(call, patient) == (Exists if finds_itself else "right"), call
        proxy.heal()
        written = {"put": "b", "create": "c"}.get(call)
        assert written is None or proxied.get(written) == CONTENT
        clean(proxied)


@pytest.mark.parametrize("server", ["versitygw", "minio"])
@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.parametrize("call", ["put", "create"])
def test_a_bit_that_changes_on_its_way_to_the_server_is_found_there(
    request: pytest.FixtureRequest,
    open_s3: Callable[..., Store],
    server: str,
    checksums: str,
    call: str,
) -> None:
    real: S3Server = request.getfixturevalue(server)
    with S3Proxy(real.port, s3_faults.first(1, Flip("request"))) as proxy:
        store = open_s3(
            real.make_bucket(), proxy.url, AWS_REQUEST_CHECKSUM_CALCULATION=checksums
        )  # fmt: skip
        with pytest.raises(Unavailable):
            CALLS[call](store)
        assert store.list("") == {}
        CALLS[call](store)
        assert store.list("") == {{"put": "b", "create": "c"}[call]: len(CONTENT)}


def test_a_flipped_bit_of_an_answer_is_left_to_the_one_who_knows_the_digest(
    proxied: Store, proxy: S3Proxy
) -> None:
    proxy.on_request = s3_faults.first(1, Flip("answer"))
    received = proxied.get("a")
    assert (len(received), received == CONTENT) == (len(CONTENT), False)
    assert proxied.get("a") == CONTENT


@pytest.mark.parametrize("seed", range(3))
def test_random_faults_under_eight_threads_lose_and_change_nothing(
    proxied: Store, proxy: S3Proxy, seed: int
) -> None:
    before = len(proxy.requests)
    proxy.on_request = s3_faults.sometimes(seed, 0.4)
    meter = Meter()
    store = until_deadline(metered(proxied, meter), 120, sleep=lambda _seconds: None)

    def there_and_back(number: int) -> None:
        data = bytes([number]) * 50_000
        store.put(f"chunks/{number}", data)
        try:
            store.create(f"log/{number}", data)
        except Exists:
            assert store.get(f"log/{number}") == data, "its own, whose answer was lost"
        assert store.get(f"chunks/{number}") == data
        assert f"log/{number}" in store.list("log/")
        store.delete(f"chunks/{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(there_and_back, range(20)))
    assert list(store.list("chunks/")) == []
    seen = Counter(request.kind for request in proxy.requests[before:])
    assert len(proxy.faults) > 20
    assert meter.requests == {
        "write": seen["put"] + seen["create"],
        "read": seen["get"],
        "list": seen["list"],
        "delete": seen["delete"],
    }
    assert meter.received_bytes >= 20 * 50_000
    assert meter.sent_bytes == 50_000 * meter.requests["write"]


def test_an_upload_that_is_slow_but_moves_is_not_cut_off(
    versitygw: S3Server, open_s3: Callable[..., Store]
) -> None:
    """Sending a body takes longer than the wait for the next bytes of an answer may."""
    with S3Proxy(versitygw.port) as proxy:
        store = open_s3(
            versitygw.make_bucket(), proxy.url, Timeouts(connect=1, read=0.3, request=20)
        )
        proxy.on_request = s3_faults.first(1, Delay(1.0))
        store.put("a", CONTENT)
        assert len(proxy.requests) == 1
        assert store.get("a") == CONTENT


def test_a_hook_sees_each_request_and_what_became_of_it(proxied: Store, proxy: S3Proxy) -> None:
    answered: list[tuple[str, str, int]] = []

    def note(request: Request, status: int) -> None:
        answered.append((request.kind, request.key, status))

    proxy.on_answer = note
    proxied.create("log/1", b"{}")
    with pytest.raises(Missing):
        proxied.get("log/2")
    proxied.delete("log/1")
    assert answered == [
        ("create", "some/prefix/log/1", 200),
        ("get", "some/prefix/log/2", 404),
        ("delete", "some/prefix/log/1", 204),
    ]
