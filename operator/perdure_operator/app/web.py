"""The operator's own port: is it alive, is it ready, what does it count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

Check = Callable[[], str | None]
"""Says what is wrong, or None."""
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(
    port: int, registry: CollectorRegistry, *, alive: Check, ready: Check
) -> web.AppRunner:
    """Answer on `port` of all interfaces until the runner is cleaned up.

    Raises:
        OSError: the port is taken.
    """
    app = web.Application()
    app.router.add_get("/healthz", _checked(alive))
    app.router.add_get("/readyz", _checked(ready))
    app.router.add_get("/metrics", _metrics(registry))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


def _checked(check: Check) -> _Handler:
    async def handler(request: web.Request) -> web.Response:
        problem = check()
        return web.Response(status=503 if problem else 200, text=f"{problem or 'ok'}\n")

    return handler


def _metrics(registry: CollectorRegistry) -> _Handler:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=generate_latest(registry), headers=headers)

    return handler
