"""An API server that does on the wire what a script says: for the faults that a real one makes seldom.

Everything else of the API is tested against a real API server (tests/integration/api_server).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from perdure_operator.cluster.api import Api
from perdure_operator.cluster.connection import Connection, Credentials

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
LIMIT_SECONDS = 120


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine function; one that hangs fails."""

    @functools.wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **keywords), LIMIT_SECONDS))

    return run


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedApi:
    """Answers requests and watches each in the order of their script; a context manager.

    A request without a reply in the script is answered 500; a watch without one stays open.
    """

    replies: list[Reply] = field(default_factory=list)
    watches: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> ScriptedApi:
        self._never = asyncio.Event()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._never.set()
        await self._runner.cleanup()

    def client(self, credentials: Credentials | None = None, **options: Any) -> Api:
        """A client of this server."""
        credentials = credentials or Credentials(lambda renewed: "Bearer t0ken")
        return Api(Connection(f"http://127.0.0.1:{self.port}", credentials), **options)

    def asked(self, method: str) -> list[Request]:
        """The requests by a method; WATCH is one here."""
        return [r for r in self.requests if _verb(r) == method]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        told = Request(
            request.method,
            request.path,
            dict(request.query),
            dict(request.headers),
            orjson.loads(body) if body else None,
        )
        self.requests.append(told)
        if _verb(told) == "WATCH":
            reply = self.watches.pop(0) if self.watches else self.silence
        else:
            reply = self.replies.pop(0) if self.replies else status(500, "Unscripted")
        return await reply(request)

    async def silence(self, request: web.Request) -> web.StreamResponse:
        """Headers and then nothing, with the connection open."""
        response = web.StreamResponse()
        await response.prepare(request)
        await self._never.wait()
        return response

    async def no_answer(self, request: web.Request) -> web.StreamResponse:
        """Not even headers."""
        await self._never.wait()
        return web.Response()


def _verb(request: Request) -> str:
    return "WATCH" if "watch" in request.query else request.method


def answer(document: Any, code: int = 200) -> Reply:
    """A success."""

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response(body=orjson.dumps(document), status=code)

    return reply


def status(
    code: int, reason: str, message: str = "said the script", retry_after: str | None = None
) -> Reply:
    """A failure as the API words it."""
    document = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return raw(orjson.dumps(document), code, {"Retry-After": retry_after} if retry_after else {})


def raw(body: bytes, code: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Any bytes."""

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=code, headers=headers)

    return reply


async def reset(request: web.Request) -> web.StreamResponse:
    """The connection is cut after the request was read: whether it was obeyed, nobody knows."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def listed(*objects: dict[str, Any], version: int = 1, token: str = "") -> Reply:
    """A list's page."""
    return answer(
        {"metadata": {"resourceVersion": str(version), "continue": token}, "items": objects}
    )


def stream(*events: tuple[str, dict[str, Any]], then: bytes = b"", seconds: float = 0) -> Reply:
    """A watch that has these events, then these bytes, and is ended by the server after `seconds`."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for kind, obj in events:
            await response.write(orjson.dumps({"type": kind, "object": obj}) + b"\n")
        if then:
            await response.write(then)
        await asyncio.sleep(seconds)
        return response

    return reply


def cut(*events: tuple[str, dict[str, Any]]) -> Reply:
    """A watch whose connection is cut after these events."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = await stream(*events)(request)
        await asyncio.sleep(0.05)  # let what was written leave
        assert request.transport is not None
        request.transport.abort()
        return response

    return reply


def pod(
    name: str, version: int, *, uid: str = "", namespace: str = "a", **more: Any
) -> dict[str, Any]:
    """An object as small as can be."""
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": uid or f"uid-of-{name}",
        "resourceVersion": str(version),
    }
    return {"metadata": metadata, **more}


def bookmark(version: int) -> tuple[str, dict[str, Any]]:
    """A bookmark's event."""
    return "BOOKMARK", {"metadata": {"resourceVersion": str(version)}}
