"""A proxy before a real S3 server that sees every request and does to it what it is told.

    with S3Proxy(server.port) as proxy:
        proxy.on_request = s3_faults.first(3, s3_faults.SLOW_DOWN, "put", "create")
        ...                                        # use proxy.url as AWS_ENDPOINT_URL
        assert [r.kind for r in proxy.requests] == ["put", ...]

`on_request(request)` is called for each request once all of it is there and before the server hears
of it; it returns a fault or None. `on_answer(request, status)` is called when the server has obeyed
and before its answer is passed on. Both run in the thread of their connection: they may block, which
holds up that request alone, and kill a process, for instance at request n. The signature of a request
stays valid: Host and headers are passed on as they are.
"""

from __future__ import annotations

import http.client
import itertools
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from s3_faults import (
    Cut,
    Delay,
    Fault,
    Flip,
    Ignore,
    LoseAnswer,
    OnRequest,
    Refuse,
    Request,
    Shorten,
    Stall,
    Truncate,
    WrongETag,
)  # fmt: skip

HOST = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_NOT_PASSED_ON = {"connection", "expect", "transfer-encoding"}  # of one connection, never signed


class S3Proxy:
    """Listens on `port` and passes on to `target`; a context manager."""

    def __init__(self, target: int, on_request: OnRequest | None = None) -> None:
        self.target = target
        self.on_request: OnRequest = on_request or (lambda _request: None)
        self.on_answer: Callable[[Request, int], None] = lambda _request, _status: None
        self.requests: list[Request] = []
        self.faults: list[tuple[Request, Fault]] = []
        self.closing = threading.Event()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> S3Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.cut_all()
        self._server.server_close()  # waits for the threads of the connections

    def heal(self) -> None:
        """No more faults."""
        self.on_request = lambda _request: None

    def decide(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[Request, Fault | None]:
        """Note a request and ask what to do to it."""
        with self._lock:
            request = _request(next(self._numbers), handler, body)
            self.requests.append(request)
        fault = self.on_request(request)
        if fault is not None:
            with self._lock:
                self.faults.append((request, fault))
        return request, fault


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, proxy: S3Proxy) -> None:
        super().__init__((HOST, 0), _Handler)
        self.proxy = proxy
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        """End all connections, so that their threads end."""
        for each in list(self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended by itself

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the proxy's; others are shown."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Cut(ConnectionError):
    """The connection is to be reset now."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request, fault = self.server.proxy.decide(self, body)
        try:
            self._obey(request, fault)
        except _Cut:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.connection.close()
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve

    def _obey(self, request: Request, fault: Fault | None) -> None:
        match fault:
            case Refuse():
                self._send(fault.status, {"Content-Type": "application/xml"}, _refusal(fault))
                return
            case Stall("request"):
                self._stall(fault.seconds)
            case Ignore():
                del self.headers[fault.name]
            case Delay():
                self.server.proxy.closing.wait(fault.seconds)
            case Cut("request"):
                self._pass_on(request.body[: len(request.body) // 2])
                raise _Cut
        body = _flipped(request.body) if fault == Flip("request") else request.body
        status, headers, data = self._pass_on(body)
        self.server.proxy.on_answer(request, status)
        self._answer(fault, status, headers, data)

    def _answer(
        self, fault: Fault | None, status: int, headers: dict[str, str], data: bytes
    ) -> None:
        half = data[: len(data) // 2]
        match fault:
            case LoseAnswer():
                raise _Cut
            case Cut("answer") | Stall("answer") | Truncate():
                self._send_half(fault, status, headers, half)
            case Shorten():
                self._send(status, {**headers, "Content-Length": str(len(half))}, half)
            case Flip("answer"):
                self._send(status, headers, _flipped(data))
            case WrongETag():
                self._send(status, {**headers, "ETag": f'"{"0" * 32}"'}, data)
            case _:
                self._send(status, headers, data)

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Ask the server; a body that is shorter than announced ends with the connection."""
        server = http.client.HTTPConnection(HOST, self.server.proxy.target, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _NOT_PASSED_ON:
                    server.putheader(name, value)
            server.endheaders(body)
            if len(body) < int(self.headers.get("Content-Length", 0)):
                raise _Cut
            answer = server.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except OSError as error:
            raise _Cut from error
        finally:
            server.close()

    def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response_only(status)
        names = {name.lower() for name in headers}
        for name, value in headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        if "content-length" not in names and status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _send_half(self, fault: Fault, status: int, headers: dict[str, str], half: bytes) -> None:
        """An answer without a body ends within its head."""
        if half:
            self._send(status, headers, half)
        else:
            self.wfile.write(b"HTTP/1.1 200 O")
        if isinstance(fault, Truncate):
            self.close_connection = True
            return
        if isinstance(fault, Stall):
            self._stall(fault.seconds)
        raise _Cut

    def _stall(self, seconds: float) -> None:
        self.server.proxy.closing.wait(seconds)
        raise _Cut

    def log_message(self, *_arguments: object) -> None:
        """The test looks at `requests` instead."""


def _request(number: int, handler: BaseHTTPRequestHandler, body: bytes) -> Request:
    address = urlsplit(handler.path)
    bucket, _, key = unquote(address.path).removeprefix("/").partition("/")
    query = dict(parse_qsl(address.query, keep_blank_values=True))
    headers = {name.lower(): value for name, value in handler.headers.items()}
    kind = _kind(handler.command, key, headers)
    return Request(number, kind, handler.command, bucket, key, query, headers, body)


def _kind(method: str, key: str, headers: dict[str, str]) -> str:
    if method == "PUT":
        return "create" if "if-none-match" in headers else "put"
    if method == "GET" and not key:
        return "list"
    return method.lower()


def _refusal(fault: Refuse) -> bytes:
    said = f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"
    return f'<?xml version="1.0" encoding="UTF-8"?><Error>{said}</Error>'.encode()


def _flipped(data: bytes) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[len(changed) // 2] ^= 1
    return bytes(changed)
