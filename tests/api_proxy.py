"""A proxy in front of the real API server that counts a client's writes, and does something right
before or right after one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web
from cluster.access import Access
from s3_server import HOST, free_port

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_OF_THE_CONNECTION = {"host", "content-length", "transfer-encoding", "connection"}


class ApiProxy:
    """Passes everything on to the API server of `access`. Events are not counted as writes."""

    def __init__(self, access: Access, folder: Path) -> None:
        self._upstream = access
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._before: dict[int, Callable[[], None]] = {}
        self._after: dict[int, Callable[[], None]] = {}
        self.access = replace(
            access, server=f"http://{HOST}:{self._port}", kubeconfig=folder / "proxy.kubeconfig"
        ).write()
        self.writes: list[str] = []

    def before(self, number: int, do: Callable[[], None]) -> None:
        """Do it when write `number` (from 1) has come, which is then not passed on."""
        self._before[number] = do

    def after(self, number: int, do: Callable[[], None]) -> None:
        """Do it when the server has carried out write `number` and its answer is not passed on yet."""
        self._after[number] = do

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),  # what the client has not asked for
            timeout=aiohttp.ClientTimeout(),
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}  # watches that nobody reads any more
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        number = self._count(request)
        if number in self._before:
            self._before.pop(number)()
            raise web.HTTPServiceUnavailable  # to nobody: the write never reached the server
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _OF_THE_CONNECTION}
        tls = ssl.create_default_context(cafile=str(self._upstream.authority))
        async with self._session.request(
            request.method,
            self._upstream.server + request.raw_path,
            headers=headers,
            data=await request.read() or None,
            ssl=tls,
        ) as answer:
            self._after.pop(number, _nothing)()
            return await _stream(request, answer)

    def _count(self, request: web.Request) -> int:
        """The number of the write; 0 for what is none."""
        if (
            request.method not in WRITES
            or "/events" in request.path
            or "/apis/authorization" in request.path
        ):
            return 0
        self.writes.append(f"{request.method} {request.path}")
        return len(self.writes)


async def _stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {k: v for k, v in answer.headers.items() if k.lower() not in _OF_THE_CONNECTION}
    response = web.StreamResponse(status=answer.status, headers=headers)
    with contextlib.suppress(ConnectionResetError):  # the client has been killed
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


def _nothing() -> None:
    pass
