"""Watch streams: one JSON document per line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import orjson

from perdure_operator.cluster import errors
from perdure_operator.cluster.errors import ApiError, Gone, Unavailable
from perdure_operator.cluster.objects import Object


async def events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, Object]]:
    """The type and the object of each event.

    Raises:
        Gone: the stream says that it cannot go on from where it was asked to.
        Unavailable: it says another error, or is damaged.
    """
    async for line in lines(content):
        try:
            event = orjson.loads(line)
            kind, obj = event["type"], event["object"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise _damaged("a line that is no event") from error
        if kind == "ERROR":
            raise _error(obj)
        yield kind, obj


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream, of any length.

    Raises:
        Unavailable: the stream ends within a line.
    """
    begun: list[bytes] = []
    while chunk := await content.readany():
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join((*begun, line)) if begun else line
            begun.clear()
        if rest:
            begun.append(rest)
    if begun:
        raise _damaged("an end within a line")


def _error(status: Object) -> ApiError:
    error = errors.from_status(status)
    if isinstance(error, Gone | Unavailable):
        return error
    return Unavailable(error.status, error.reason, error.message)


def _damaged(received: str) -> Unavailable:
    return Unavailable(0, "StreamDamaged", f"expected a watch's events, received {received}")
