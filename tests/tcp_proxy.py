"""A TCP proxy that does to a connection what networks do: stall it, cut it, lose its answers."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

HOST = "127.0.0.1"


class TcpProxy:
    """Listens on `port` and passes on to `target`; a context manager.

    `stall()` holds back all bytes, `lose_answers(n)` passes requests on and cuts the connection of
    the next `n` answers, `cut_after(n)` cuts connections that have sent `n` bytes, `refuse()`
    listens no more, and `heal()` ends all of that.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._flowing = threading.Event()
        self._lock = threading.Lock()
        self._answers_to_lose = 0
        self._most_sent: int | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.lost = 0
        self._flowing.set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.refuse()
        self._flowing.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def stall(self) -> None:
        self._flowing.clear()

    def lose_answers(self, number: int) -> None:
        self._answers_to_lose = number

    def cut_after(self, sent: int) -> None:
        self._most_sent = sent

    def refuse(self) -> None:
        """Close the listener and all connections."""
        _close(self._listener)
        with self._lock:
            open_now = list(self._sockets)
        for each in open_now:
            _close(each)

    def heal(self) -> None:
        self._answers_to_lose, self._most_sent = 0, None
        self._flowing.set()
        if self._listener.fileno() < 0:
            self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((HOST, port))
        self._start(self._accept, listener)
        return listener

    def _start(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection((HOST, self._target))
            except OSError:
                _close(client)
                continue
            with self._lock:
                self.connections += 1
                self._sockets |= {client, server}
            self._start(self._requests, client, server)
            self._start(self._answers, client, server)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        while data := _received(client):
            self._flowing.wait()
            sent += len(data)
            if self._most_sent is not None and sent > self._most_sent:
                break
            if not _sent(server, data):
                break
        self._end(client, server)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        while data := _received(server):
            self._flowing.wait()
            if (_is_final(data) and self._must_lose()) or not _sent(client, data):
                break
        self._end(client, server)

    def _must_lose(self) -> bool:
        with self._lock:
            if self._answers_to_lose == 0:
                return False
            self._answers_to_lose -= 1
            self.lost += 1
            return True

    def _end(self, *both: socket.socket) -> None:
        for each in both:
            _close(each)
        with self._lock:
            self._sockets -= set(both)


def _is_final(answer: bytes) -> bool:
    """Whether it is not the "go on" that a request with a body waits for."""
    return not answer.startswith(b"HTTP/1.1 100 ")


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


def _sent(target: socket.socket, data: bytes) -> bool:
    try:
        target.sendall(data)
    except OSError:
        return False
    return True


def _close(each: socket.socket) -> None:
    """Close it for good: a thread that waits in it wakes up."""
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
