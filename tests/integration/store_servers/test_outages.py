"""Servers that are away, slow, or lose their answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import s3_server
from s3_server import S3Server
from tcp_proxy import TcpProxy

from perdure.store import Exists, Store, Unavailable, until_deadline

CALLS: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("a"),
    "put": lambda store: store.put("b", b"content"),
    "put of 20 MiB": lambda store: store.put("b", bytes(20 * 1024 * 1024)),
    "create": lambda store: store.create("c", b"content"),
    "list": lambda store: store.list(""),
    "delete": lambda store: store.delete("d"),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@pytest.fixture
def server(tmp_path: Path, versitygw: S3Server) -> Iterator[S3Server]:
    """A server of this test's own, where the shared one can be had."""
    own = s3_server.versitygw(tmp_path)
    yield own.start()
    own.stop()


@pytest.fixture
def proxy(versitygw: S3Server) -> Iterator[TcpProxy]:
    with TcpProxy(versitygw.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(versitygw: S3Server, proxy: TcpProxy, open_s3: Callable[..., Store]) -> Store:
    """A store with an object "a", behind a proxy."""
    store = open_s3(versitygw.make_bucket(), proxy.url)
    store.put("a", b"content")
    return store


@each_call
def test_a_server_that_never_answers(
    open_s3: Callable[..., Store], call: Callable[[Store], object]
) -> None:
    store = open_s3("a-bucket", f"http://127.0.0.1:{s3_server.free_port()}")
    with pytest.raises(
        Unavailable, match=r"no answer.*Given up after \d+ tries in \d+ s"
    ) as caught:
        call(until_deadline(store, 2))
    assert "http://127.0.0.1" in str(caught.value)


def test_a_name_that_nobody_knows(open_s3: Callable[..., Store]) -> None:
    store = open_s3("a-bucket", "http://no-such-host.invalid:9000")
    for call in CALLS.values():
        with pytest.raises(Unavailable):
            call(store)


def test_a_server_that_is_killed_and_comes_back(
    server: S3Server, open_s3: Callable[..., Store]
) -> None:
    heard: list[float] = []
    store = open_s3(server.make_bucket(), server.url)
    patient = until_deadline(store, 60, on_retry=lambda _error, seconds: heard.append(seconds))
    patient.create("log/1", b"before")
    server.stop()
    with pytest.raises(Unavailable):
        store.get("log/1")
    back = threading.Timer(2, server.start)
    back.start()
    try:
        patient.create("log/2", b"after")
        assert heard, "the retries are told"
        assert list(patient.list("log/")) == ["log/1", "log/2"]
        assert patient.get("log/1") == b"before"
    finally:
        back.join()


@each_call
def test_a_server_that_stalls_ends_at_the_deadline(
    proxied: Store, proxy: TcpProxy, call: Callable[[Store], object]
) -> None:
    proxy.stall()
    with pytest.raises(Unavailable, match="Given up after"):
        call(until_deadline(proxied, 1))


@each_call
def test_a_server_that_stalls_for_a_while(
    proxied: Store, proxy: TcpProxy, call: Callable[[Store], object]
) -> None:
    proxy.stall()
    healing = threading.Timer(1.5, proxy.heal)
    healing.start()
    try:
        call(until_deadline(proxied, 60))
    finally:
        healing.join()


def test_an_upload_that_is_cut_is_begun_again(proxied: Store, proxy: TcpProxy) -> None:
    data = bytes(range(256)) * 4 * 20_000
    proxy.cut_after(5_000_000)
    with pytest.raises(Unavailable):
        proxied.put("large", data)
    assert list(proxied.list("")) == ["a"], "half an object is none"
    proxy.heal()
    proxied.put("large", data)
    assert proxied.get("large") == data


def test_a_create_whose_answer_is_lost_finds_its_own_object(
    proxied: Store, proxy: TcpProxy
) -> None:
    """`Exists` is then no other process: the caller reads, and finds what it has written."""
    proxy.lose_answers(1)
    with pytest.raises(Exists):
        until_deadline(proxied, 30).create("log/1", b"mine")
    assert proxy.lost == 1
    assert proxied.get("log/1") == b"mine"


@pytest.mark.parametrize("name", ["get", "put", "put of 20 MiB", "list", "delete"])
def test_other_calls_do_not_mind_lost_answers(proxied: Store, proxy: TcpProxy, name: str) -> None:
    proxy.lose_answers(2)
    CALLS[name](until_deadline(proxied, 30))
    assert proxy.lost == 2


def test_a_web_server_that_is_no_s3_server_is_waited_for(open_s3: Callable[..., Store]) -> None:
    """An ingress whose server is away answers 404: that must not look like "no object"."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class NotFound(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(404)

        do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), NotFound) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        store = open_s3("a-bucket", f"http://127.0.0.1:{httpd.server_port}")
        for call in CALLS.values():
            with pytest.raises(Unavailable, match="no answer of an S3 server"):
                call(store)
        httpd.shutdown()
