"""An S3 server that takes what it is sent and keeps nothing: what is left is the client's own speed.

`python benchmarks/s3_sink.py` prints its port and serves until it is ended. It answers writes, multipart
uploads and bucket creation, over plain HTTP; it checks nothing.
"""

from __future__ import annotations

import re
import socket
import threading

CHUNK = 1 << 20
UPLOAD = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
DONE = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"


def serve(connection: socket.socket) -> None:
    """Answer the requests of one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(CHUNK)
    with connection:
        while head := _head(connection):
            request, rest = head
            _discard(connection, request, len(rest), buffer)
            body = _answer(request)
            connection.sendall(
                b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: %d\r\n\r\n' % len(body) + body
            )


def _head(connection: socket.socket) -> tuple[bytes, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    request, _, rest = data.partition(b"\r\n\r\n")
    return request, rest


def _discard(connection: socket.socket, request: bytes, received: int, buffer: bytearray) -> None:
    if b"100-continue" in request:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", request)
    left = (int(length[1]) if length else 0) - received
    while left > 0:
        count = connection.recv_into(buffer, min(left, CHUNK))
        if count == 0:
            return
        left -= count


def _answer(request: bytes) -> bytes:
    line = request.partition(b"\r\n")[0]
    if line.startswith(b"POST"):
        return UPLOAD if b"?uploads" in line else DONE
    return b""


def main() -> None:
    """Listen on a free port of the loopback and say which."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
