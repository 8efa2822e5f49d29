"""The API server's verbs on raw JSON.

Reads are tried again, and so is what the server has certainly not done (429, 401, no connection).
Any other failed write has an unknown outcome: it raises `Unavailable`, and the caller looks again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import TypeAlias
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from perdure_operator.cluster import errors
from perdure_operator.cluster.connection import Connection
from perdure_operator.cluster.errors import ApiError, Gone, Unauthorized, Unavailable
from perdure_operator.cluster.objects import Object
from perdure_operator.cluster.resources import Resource
from perdure_operator.cluster.streams import events

Listed: TypeAlias = tuple[list[Object], str]

PAGE = 500
_CONNECTIONS = 64
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 70.0  # a bookmark is due every minute
_TRIES = 3
_LONGEST_RETRY_SECONDS = 30.0

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"


class Api:
    """A client of one API server; a context manager. `requests` counts by method and status.

    Every method raises an `ApiError` where the answer is not a success. A server that asks for
    longer than half a minute of patience is not waited for: `Unavailable.retry_after` says so.
    """

    def __init__(self, connection: Connection, *, request_timeout: float = 30.0) -> None:
        self._connection = connection
        self._timeout = aiohttp.ClientTimeout(total=request_timeout, sock_connect=_CONNECT_SECONDS)
        self._session: aiohttp.ClientSession
        self.requests: Counter[tuple[str, int]] = Counter()

    async def __aenter__(self) -> Api:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_CONNECTIONS, ssl=self._connection.tls or True, keepalive_timeout=60
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "perdure-operator", "Accept": _JSON},
            skip_auto_headers=("Accept-Encoding",),
            timeout=self._timeout,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """The object as it is now."""
        return await self._request("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = ""
    ) -> Listed:
        """All objects of `namespace` (None: of all), and the resourceVersion that this is true at."""
        path, query = resource.path(namespace), _selected(label_selector)
        try:
            return await self._pages(resource, path, {**query, "limit": str(PAGE)})
        except Gone:  # the pages' snapshot was compacted while we read it: all in one answer
            return await self._pages(resource, path, query)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        timeout_seconds: int = 290,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """What happens after `resource_version`: ADDED, MODIFIED, DELETED or BOOKMARK, and the object.

        Ends when the server ends it, after about `timeout_seconds`.

        Raises:
            Gone: the server does not know that resourceVersion any more.
            Unavailable: the stream broke, said ERROR, or was silent although bookmarks were due.
        """
        query = {
            **_selected(label_selector),
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        authorization = await self._connection.credentials.value()
        try:
            async with self._session.get(
                self._url(resource.path(namespace), query),
                headers=_headers(authorization),
                timeout=aiohttp.ClientTimeout(
                    sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS
                ),
                server_hostname=self._connection.server_name,
                allow_redirects=False,
            ) as response:
                self.requests["WATCH", response.status] += 1
                if response.status != 200:
                    raise await self._error(response, authorization)
                try:
                    async for event in events(response.content):
                        yield event
                finally:
                    _abandon(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise errors.unreachable(error) from error

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """Create `body`; the object as the server has it."""
        return await self._request("POST", resource.path(namespace), body)

    async def merge_patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Object,
        *,
        subresource: str = "",
    ) -> Object:
        """Merge `body` into the object; a uid or resourceVersion in its metadata is a precondition."""
        path = resource.path(namespace, name, subresource)
        return await self._request("PATCH", path, body, content_type=_MERGE_PATCH)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> None:
        """Delete the object, if it still is that one."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {k: v for k, v in wanted.items() if v is not None},
        }
        await self._request("DELETE", resource.path(namespace, name), options)

    async def _pages(self, resource: Resource, path: str, query: Mapping[str, str]) -> Listed:
        items: list[Object] = []
        token = ""
        while True:
            page = await self._request("GET", path, query={**query, "continue": token})
            head = {"apiVersion": resource.api_version, "kind": resource.kind}
            items += [{**head, **item} for item in page["items"] or ()]
            token = page["metadata"].get("continue", "")
            if not token:
                return items, page["metadata"]["resourceVersion"]

    async def _request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = _JSON,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        url, data = self._url(path, query), None if body is None else orjson.dumps(body)
        tries = 0
        while True:
            tries += 1
            try:
                return await self._send(method, url, data, content_type)
            except ApiError as error:
                seconds = _retry_seconds(method, error, tries)
                if seconds is None:
                    raise
            await asyncio.sleep(seconds)

    async def _send(self, method: str, url: URL, data: bytes | None, content_type: str) -> Object:
        authorization = await self._connection.credentials.value()
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=_headers(authorization, content_type if data else None),
                server_hostname=self._connection.server_name,
                allow_redirects=False,
            ) as response:
                self.requests[method, response.status] += 1
                if response.status not in (200, 201, 202):
                    raise await self._error(response, authorization)
                document: Object = orjson.loads(await response.read())
                return document
        except aiohttp.ClientConnectorError as error:
            self.requests[method, 0] += 1
            raise errors.unreachable(error, sent=False) from error
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            self.requests[method, 0] += 1
            raise errors.unreachable(error) from error

    async def _error(self, response: aiohttp.ClientResponse, authorization: str | None) -> ApiError:
        error = errors.from_response(
            response.status, await response.read(), response.headers.get("Retry-After")
        )
        if isinstance(error, Unauthorized):
            await self._connection.credentials.renew(authorization)
        return error

    def _url(self, path: str, query: Mapping[str, str] | None) -> URL:
        text = f"{self._connection.host}{path}"
        return URL(f"{text}?{urlencode(query)}" if query else text, encoded=True)


def _abandon(response: aiohttp.ClientResponse) -> None:
    """Drop a stream that has not ended; to part in TLS's way needs an answer from who may be dead."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def _headers(authorization: str | None, content_type: str | None = None) -> dict[str, str]:
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization
    if content_type is not None:
        headers["Content-Type"] = content_type
    return headers


def _selected(label_selector: str) -> dict[str, str]:
    return {"labelSelector": label_selector} if label_selector else {}


def _retry_seconds(method: str, error: ApiError, tries: int) -> float | None:
    """How long to wait before trying the same again; None where that is not safe or of no use."""
    if isinstance(error, Unauthorized):  # the token was read again meanwhile
        return 0.0 if tries == 1 else None
    if not isinstance(error, Unavailable) or tries >= _TRIES:
        return None
    if method != "GET" and error.maybe_done:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= _LONGEST_RETRY_SECONDS else None
    return random.uniform(0.1, 0.3) * 2.0**tries  # noqa: S311 - spreads retries, guards nothing
