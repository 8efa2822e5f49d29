"""The informer over a wire that fails: it ends up with the truth, and does not hammer the server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from scripted_api import (
    ScriptedApi,
    bookmark,
    cut,
    listed,
    on_loop,
    pod,
    status,
    stream,
)

from perdure_operator.cluster import api as api_module
from perdure_operator.cluster import follow
from perdure_operator.cluster.informer import Informer
from perdure_operator.cluster.objects import name_of
from perdure_operator.cluster.resources import PODS

EXPIRED = ("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
BROKEN = ("ERROR", {"kind": "Status", "code": 500, "reason": "InternalError"})


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(follow, "_FIRST_BACKOFF_SECONDS", 0.005)


class Changes(asyncio.Queue):
    """What an informer has said, one after the other."""

    def __call__(self, old, new):
        kind = "deleted" if new is None else "added" if old is None else "changed"
        self.put_nowait((kind, name_of(new or old)[1]))

    async def next(self, number=1):
        return [await self.get() for _ in range(number)]


@asynccontextmanager
async def following(server, **options):
    """An informer that runs, and its changes."""
    changes = Changes()
    async with server, server.client() as api:
        informer = Informer(api, PODS, on_change=changes, **options)
        running = asyncio.create_task(informer.run())
        try:
            yield informer, changes
            assert not running.done(), "it never ends by itself"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@on_loop
async def test_list_then_watch():
    server = ScriptedApi(
        [listed(pod("p", 1), pod("q", 2), version=5)],
        [
            stream(
                ("ADDED", pod("r", 6)),
                ("MODIFIED", pod("p", 7)),
                bookmark(8),
                ("DELETED", pod("q", 9)),
                seconds=2,
            )
        ],
    )
    async with following(server) as (informer, changes):
        await informer.synced()
        assert await changes.next(2) == [("added", "p"), ("added", "q")]
        assert await changes.next(3) == [("added", "r"), ("changed", "p"), ("deleted", "q")]
        assert sorted(name_of(o)[1] for o in informer.objects()) == ["p", "r"]
        assert server.asked("WATCH")[0].query["resourceVersion"] == "5"


@on_loop
async def test_a_watch_that_the_server_ended_goes_on_where_it_was():
    server = ScriptedApi(
        [listed(version=5)],
        [
            stream(("ADDED", pod("p", 6)), bookmark(9), seconds=1.1),
            stream(("ADDED", pod("q", 10)), seconds=2),
        ],
    )
    async with following(server) as (_, changes):
        assert await changes.next(2) == [("added", "p"), ("added", "q")]
        assert [r.query["resourceVersion"] for r in server.asked("WATCH")] == ["5", "9"]
        assert len(server.asked("GET")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(stream(EXPIRED), id="410 mid-watch"),
        pytest.param(status(410, "Expired"), id="410 on connect"),
        pytest.param(stream(BROKEN), id="500 event"),
        pytest.param(stream(then=b'{"type":"MODI'), id="truncated line"),
        pytest.param(cut(("MODIFIED", pod("p", 6))), id="reset"),
        pytest.param(status(503, "Busy"), id="503 on connect"),
        pytest.param(stream(), id="ended at once"),
        pytest.param(stream(("MODIFIED", {"no": "metadata"})), id="an object that is none"),
    ],
)
@on_loop
async def test_what_vanished_in_the_gap_is_heard_of(fault):
    """p is changed, q deleted and r created while there is no watch."""
    server = ScriptedApi(
        [listed(pod("p", 1), pod("q", 2), version=5), listed(pod("p", 7), pod("r", 8), version=9)],
        [fault],
    )
    async with following(server) as (informer, changes):
        heard = await changes.next(2)
        while ("deleted", "q") not in heard or ("added", "r") not in heard:
            heard += await changes.next()
        assert ("changed", "p") in heard
        assert sorted(name_of(o)[1] for o in informer.objects()) == ["p", "r"]


@on_loop
async def test_a_silent_watch_is_given_up(monkeypatch):
    monkeypatch.setattr(api_module, "_SILENCE_SECONDS", 0.1)
    server = ScriptedApi([listed(pod("p", 1), version=5), listed(version=9)])
    async with following(server) as (_, changes):
        assert await changes.next(2) == [("added", "p"), ("deleted", "p")]


@on_loop
async def test_bookmarks_alone_are_life(monkeypatch):
    async def reply(request):
        response = await stream(("ADDED", pod("p", 6)))(request)
        for version in range(7, 12):
            await asyncio.sleep(0.1)
            await response.write(
                b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"%d"}}}\n' % version
            )
        await response.write(b'{"type":"DELETED","object":')
        await response.write(b'{"metadata":{"namespace":"a","name":"p","uid":"uid-of-p",')
        await response.write(b'"resourceVersion":"12"}}}\n')
        return response

    monkeypatch.setattr(api_module, "_SILENCE_SECONDS", 0.3)
    server = ScriptedApi([listed(version=5)], [reply])
    async with following(server) as (informer, changes):
        assert await changes.next() == [("added", "p")]
        heard = informer.last_heard
        assert await changes.next() == [("deleted", "p")]
        assert informer.last_heard > heard
        assert len(server.asked("GET")) == 1


@on_loop
async def test_lost_events_are_found_by_the_next_list():
    server = ScriptedApi([listed(pod("p", 1), version=5), listed(pod("q", 8), version=9)])
    server.watches = [stream(seconds=2), stream(seconds=2)]
    async with following(server, relist_seconds=0.1) as (_, changes):
        assert await changes.next(3) == [("added", "p"), ("deleted", "p"), ("added", "q")]


@on_loop
async def test_an_unchanged_list_says_nothing():
    page = listed(pod("p", 1), version=5)
    server = ScriptedApi([page] * 4, [stream(EXPIRED)] * 3)
    async with following(server) as (_, changes):
        await changes.next()
        while len(server.asked("WATCH")) < 4:
            await asyncio.sleep(0.01)
        assert changes.empty()


@on_loop
async def test_no_rights_are_said_once_and_asked_for_again(caplog):
    server = ScriptedApi([status(403, "Forbidden", "pods is forbidden")] * 6)
    server.replies += [listed(pod("p", 1), version=5)]
    server.watches = [stream(bookmark(6), seconds=5)]
    async with following(server) as (informer, changes):
        await asyncio.wait_for(informer.synced(), 10)
        assert await changes.next() == [("added", "p")]
        while "followed again" not in caplog.text:
            await asyncio.sleep(0.01)
    assert caplog.text.count("pods is forbidden") == 1


@on_loop
async def test_failures_slow_it_down(monkeypatch):
    monkeypatch.setattr(follow, "_FIRST_BACKOFF_SECONDS", 0.05)
    server = ScriptedApi([status(403, "Forbidden")] * 1000)
    async with following(server):
        await asyncio.sleep(1)
    assert 3 <= len(server.requests) <= 6, "0.1, 0.2, 0.4, 0.8 s apart, or half of that"


@on_loop
async def test_it_waits_as_long_as_it_is_asked_to(monkeypatch):
    slept, sleep = list[float](), asyncio.sleep
    busy = status(429, "TooManyRequests", retry_after="45")
    server = ScriptedApi([busy, listed(pod("p", 1), version=5)])
    async with following(server) as (_, changes):
        monkeypatch.setattr(follow.asyncio, "sleep", lambda s: slept.append(s) or sleep(0))
        assert await changes.next() == [("added", "p")]
    assert max(slept) == 45


@on_loop
async def test_a_server_that_comes_back_is_followed_again():
    server = ScriptedApi([listed(pod("p", 1), version=5)])
    changes = Changes()
    async with server.client() as nowhere:
        assert nowhere
    async with server:
        api = server.client()
        await api.__aenter__()
        informer = Informer(api, PODS, on_change=changes)
        running = asyncio.create_task(informer.run())
        await changes.next()
    await asyncio.sleep(0.1)
    server.replies = [listed(pod("q", 7), version=8)]
    async with server:
        assert await changes.next(2) == [("deleted", "p"), ("added", "q")]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await api.__aexit__(None, None, None)


@on_loop
async def test_a_history_that_goes_back_is_believed(caplog):
    """An etcd that was restored from a backup has older versions, and they are the truth."""
    server = ScriptedApi(
        [listed(pod("p", 900), version=1000), listed(pod("p", 5), version=10)], [stream(EXPIRED)]
    )
    async with following(server) as (informer, changes):
        assert await changes.next(3) == [("added", "p"), ("deleted", "p"), ("added", "p")]
        assert informer.get("a", "p")["metadata"]["resourceVersion"] == "5"
    assert "went back in time" in caplog.text


@on_loop
async def test_each_namespace_is_followed_by_itself():
    async def by_namespace(request):
        namespace = request.path.split("/")[4]
        return await listed(pod("p", 1, namespace=namespace, uid=namespace), version=5)(request)

    server = ScriptedApi([by_namespace] * 2)
    async with following(server, namespaces=["a", "b"]) as (informer, changes):
        await informer.synced()
        assert await changes.next(2) == [("added", "p")] * 2
        assert informer.get("a", "p") != informer.get("b", "p")
        assert len(informer) == 2


@on_loop
async def test_the_answer_to_a_write_is_seen_at_once():
    server = ScriptedApi([listed(version=5)], [stream(("ADDED", pod("p", 6)), seconds=5)])
    async with following(server, index=lambda o: o.get("key")) as (informer, changes):
        await informer.synced()
        written = pod("q", 7, key="k")
        written["metadata"]["managedFields"] = []
        informer.observe(written)
        assert informer.indexed("k") == [pod("q", 7, key="k")]
        assert sorted(await changes.next(2)) == [("added", "p"), ("added", "q")]
