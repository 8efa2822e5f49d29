"""Between a client and a real API server: loses answers, answers instead, freezes and thins watches.

HTTP towards the client, TLS towards the API server; whoever the client says he is, he is there too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
import orjson
from aiohttp import web
from cluster.access import Access

from perdure_operator.cluster.connection import from_kubeconfig

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
HOP_BY_HOP = {"Connection", "Transfer-Encoding", "Content-Length", "Host", "Keep-Alive"}


@dataclass
class Fault:
    """What befalls the next `times` requests that `matches`.

    `reply` answers in the API server's place; with `after` the API server has obeyed by then.
    """

    matches: Callable[[web.Request], bool]
    reply: Reply
    after: bool = False
    times: int = 1


@dataclass
class FaultProxy:
    """A context manager. `drop(kind, object)` says which watch events get lost; `freeze` and `thaw`
    hold all watches back, `cut` ends them; `refuse` and `listen` close the port and open it again.
    """

    access: Access
    faults: list[Fault] = field(default_factory=list)
    drop: Callable[[str, dict], bool] | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> FaultProxy:
        connection = from_kubeconfig(str(self.access.kubeconfig))
        self._host = connection.host
        connector = aiohttp.TCPConnector(ssl=connection.tls or True, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._watching: set[asyncio.Task[None]] = set()
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        await self._session.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        await self._runner.cleanup()

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """Cut the connections of all watches."""
        for watching in self._watching:
            watching.cancel()

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """What the API server answers."""
        async with await self._send(request) as answer:
            if "watch" in request.query and answer.status == 200:
                return await self._watch(request, answer)
            body = await answer.read()
        return web.Response(body=body, status=answer.status, headers=_passed_on(answer.headers))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        fault = self._fault(request)
        if fault is None:
            return await self.pass_on(request)
        if fault.after:
            await self.pass_on(request)
        return await fault.reply(request)

    def _fault(self, request: web.Request) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.matches(request):
                fault.times -= 1
                return fault
        return None

    async def _send(self, request: web.Request) -> aiohttp.ClientResponse:
        return await self._session.request(
            request.method,
            f"{self._host}{request.path_qs}",
            headers=_passed_on(request.headers),
            data=await request.read() or None,
        )

    async def _watch(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_passed_on(answer.headers))
        await response.prepare(request)
        flow = asyncio.create_task(self._flow(answer, response))
        self._watching.add(flow)
        try:
            await flow
        except asyncio.CancelledError:
            flow.cancel()
            await asyncio.wait([flow])
            if request.transport is not None:  # else the client has gone first
                request.transport.abort()
        finally:
            self._watching.discard(flow)
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
        return response

    async def _flow(self, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        rest = b""
        async for chunk in answer.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            await self._flowing.wait()
            for line in lines:
                if not self._lost(line):
                    await response.write(line + b"\n")

    def _lost(self, line: bytes) -> bool:
        if self.drop is None:
            return False
        event = orjson.loads(line)
        return self.drop(event["type"], event["object"])


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in dict(headers).items() if k.title() not in HOP_BY_HOP}


def method(name: str) -> Callable[[web.Request], bool]:
    """Matches requests by their method; watches are no GET."""
    return lambda request: request.method == name and "watch" not in request.query
