"""The client: what it tries again, what it must not, and what it says of a write that may be done."""

from __future__ import annotations

import asyncio

import pytest
import scripted_api
from scripted_api import ScriptedApi, answer, listed, on_loop, pod, raw, reset, status

from perdure_operator.cluster import api as api_module
from perdure_operator.cluster.connection import Credentials
from perdure_operator.cluster.errors import Conflict, Gone, Unauthorized, Unavailable
from perdure_operator.cluster.resources import JOBS, PODS

UNKNOWN = [
    pytest.param(reset, id="reset"),
    pytest.param(status(500, "InternalError"), id="500"),
    pytest.param(status(503, "ServiceUnavailable"), id="503"),
    pytest.param(status(504, "Timeout"), id="504"),
    pytest.param(raw(b'{"half'), id="truncated"),
]
WRITES = {
    "create": lambda api: api.create(PODS, "a", pod("p", 1)),
    "merge_patch": lambda api: api.merge_patch(PODS, "a", "p", {}),
    "delete": lambda api: api.delete(PODS, "a", "p"),
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(api_module.random, "uniform", lambda least, most: 0.0)


@pytest.mark.parametrize("fault", UNKNOWN)
@on_loop
async def test_a_read_is_tried_again(fault):
    async with ScriptedApi([fault, fault, answer(pod("p", 1))]) as server, server.client() as api:
        assert await api.get(PODS, "a", "p") == pod("p", 1)
        assert len(server.requests) == 3


@on_loop
async def test_a_read_is_not_tried_for_ever():
    async with ScriptedApi() as server, server.client() as api:
        with pytest.raises(Unavailable, match="Unscripted"):
            await api.get(PODS, "a", "p")
        assert len(server.requests) == 3
        assert api.requests == {("GET", 500): 3}


@pytest.mark.parametrize("fault", UNKNOWN)
@pytest.mark.parametrize("write", ["create", "merge_patch"])
@on_loop
async def test_a_write_of_unknown_outcome_is_sent_once_and_said(write, fault):
    async with ScriptedApi([fault, answer(pod("p", 2))]) as server, server.client() as api:
        with pytest.raises(Unavailable) as raised:
            await WRITES[write](api)
        assert raised.value.maybe_done
        assert len(server.requests) == 1


@pytest.mark.parametrize("write", WRITES)
@on_loop
async def test_no_answer_in_time_is_an_unknown_outcome(write):
    server = ScriptedApi()
    server.replies.append(server.no_answer)
    async with server, server.client(request_timeout=0.1) as api:
        with pytest.raises(Unavailable, match="Timeout") as raised:
            await WRITES[write](api)
        assert raised.value.maybe_done
        assert len(server.requests) == 1


@pytest.mark.parametrize("write", WRITES)
@on_loop
async def test_too_many_requests_are_sent_again_after_the_time_asked_for(write, monkeypatch):
    slept = list[float]()
    sleep = asyncio.sleep
    monkeypatch.setattr(api_module.asyncio, "sleep", lambda s: slept.append(s) or sleep(0))
    busy = status(429, "TooManyRequests", retry_after="7")
    async with ScriptedApi([busy, busy, answer({})]) as server, server.client() as api:
        await WRITES[write](api)
        assert len(server.requests) == 3
    assert [seconds for seconds in slept if seconds] == [7.0, 7.0]


@on_loop
async def test_a_long_retry_after_is_left_to_the_caller():
    busy = status(429, "TooManyRequests", retry_after="600")
    async with ScriptedApi([busy]) as server, server.client() as api:
        with pytest.raises(Unavailable) as raised:
            await api.get(PODS, "a", "p")
        assert raised.value.retry_after == 600
        assert not raised.value.maybe_done


@pytest.mark.parametrize("write", WRITES)
@on_loop
async def test_nobody_listens(write):
    server = ScriptedApi()
    async with server:
        pass
    async with server.client() as api:
        with pytest.raises(Unavailable, match="did not answer") as raised:
            await WRITES[write](api)
        assert not raised.value.maybe_done
        assert sum(api.requests.values()) == 3


@on_loop
async def test_a_conflict_is_the_callers():
    async with ScriptedApi([status(409, "Conflict")]) as server, server.client() as api:
        with pytest.raises(Conflict):
            await api.merge_patch(PODS, "a", "p", {})
        assert len(server.requests) == 1


@on_loop
async def test_a_refused_token_is_read_again():
    tokens = ["Bearer old", "Bearer new"]
    credentials = Credentials(lambda renewed: tokens[renewed])
    script = [status(401, "Unauthorized"), answer(pod("p", 1))]
    async with ScriptedApi(script) as server, server.client(credentials) as api:
        await api.create(PODS, "a", pod("p", 1))
        assert [r.headers["Authorization"] for r in server.requests] == tokens


@on_loop
async def test_a_token_that_stays_refused_is_said():
    refused = status(401, "Unauthorized")
    async with ScriptedApi([refused, refused]) as server, server.client() as api:
        with pytest.raises(Unauthorized):
            await api.get(PODS, "a", "p")
        assert len(server.requests) == 2


@on_loop
async def test_a_redirect_does_not_take_the_token_elsewhere():
    elsewhere = raw(b"", 302, {"Location": "/elsewhere"})
    async with ScriptedApi([elsewhere]) as server, server.client() as api:
        with pytest.raises(api_module.ApiError, match="302"):
            await api.get(PODS, "a", "p")
        assert len(server.requests) == 1


@on_loop
async def test_what_is_sent():
    async with ScriptedApi([answer({}) for _ in range(4)]) as server, server.client() as api:
        await api.create(PODS, "a", {"x": 1})
        await api.merge_patch(PODS, "a", "p", {"x": 2}, subresource="status")
        await api.delete(PODS, "a", "p")
        await api.delete(JOBS, "a", "j", uid="u", resource_version="7", propagation="Foreground")
    told = [(r.method, r.path, r.headers["Content-Type"], r.body) for r in server.requests]
    pods, kind = "/api/v1/namespaces/a/pods", "application/json"
    options = {"apiVersion": "v1", "kind": "DeleteOptions"}
    wanted = {"uid": "u", "resourceVersion": "7"}
    assert told == [
        ("POST", pods, kind, {"x": 1}),
        ("PATCH", f"{pods}/p/status", "application/merge-patch+json", {"x": 2}),
        (
            "DELETE",
            f"{pods}/p",
            kind,
            {**options, "propagationPolicy": "Background", "preconditions": {}},
        ),
        (
            "DELETE",
            "/apis/batch/v1/namespaces/a/jobs/j",
            kind,
            {**options, "propagationPolicy": "Foreground", "preconditions": wanted},
        ),
    ]


@on_loop
async def test_a_list_is_read_page_by_page():
    pages = [
        listed(pod("a", 1), version=9, token="more"),
        listed(pod("b", 2), version=9),
    ]
    async with ScriptedApi(pages) as server, server.client() as api:
        items, version = await api.list(PODS, "a", label_selector="x=y,z")
    assert version == "9"
    assert items == [
        {"apiVersion": "v1", "kind": "Pod", **pod(n, v)} for n, v in (("a", 1), ("b", 2))
    ]
    queries = [r.query for r in server.requests]
    assert [q.get("continue", "") for q in queries] == ["", "more"]
    assert {(q["limit"], q["labelSelector"]) for q in queries} == {("500", "x=y,z")}


@on_loop
async def test_a_list_whose_pages_ran_out_is_read_in_one():
    script = [
        listed(pod("a", 1), version=9, token="more"),
        status(410, "Expired"),
        listed(pod("a", 1), pod("b", 2), version=11),
    ]
    async with ScriptedApi(script) as server, server.client() as api:
        items, version = await api.list(PODS)
    assert (len(items), version) == (2, "11")
    assert "limit" not in server.requests[2].query


@on_loop
async def test_a_list_of_nothing():
    async with (
        ScriptedApi([answer({"metadata": {"resourceVersion": "3"}, "items": None})]) as server,
        server.client() as api,
    ):
        assert await api.list(PODS) == ([], "3")


WATCH_FAULTS = [
    pytest.param(status(410, "Expired"), Gone, "Expired", id="410 as an answer"),
    pytest.param(
        scripted_api.stream(("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})),
        Gone,
        "Expired",
        id="410 as an event",
    ),
    pytest.param(
        scripted_api.stream(("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"})),
        Unavailable,
        "etcd is away",
        id="500 as an event",
    ),
    pytest.param(
        scripted_api.stream(("ERROR", {"kind": "Status", "code": 403, "reason": "Forbidden"})),
        Unavailable,
        "Forbidden",
        id="403 as an event",
    ),
    pytest.param(
        scripted_api.stream(then=b'{"type":"ADD'), Unavailable, "within a line", id="cut line"
    ),
    pytest.param(scripted_api.stream(then=b"oops\n"), Unavailable, "no event", id="no JSON"),
    pytest.param(scripted_api.stream(then=b"[1]\n"), Unavailable, "no event", id="no event"),
    pytest.param(scripted_api.cut(), Unavailable, "did not answer", id="reset"),
    pytest.param(status(503, "Busy"), Unavailable, "Busy", id="503 as an answer"),
    pytest.param(status(401, "Unauthorized"), Unauthorized, "said", id="401"),
]


@pytest.mark.parametrize(("fault", "kind", "says"), WATCH_FAULTS)
@on_loop
async def test_how_a_watch_fails(fault, kind, says):
    async with ScriptedApi(watches=[fault]) as server, server.client() as api:
        with pytest.raises(kind, match=says):
            _ = [e async for e in api.watch(PODS, "a", resource_version="5")]


@on_loop
async def test_a_silent_watch_fails(monkeypatch):
    monkeypatch.setattr(api_module, "_SILENCE_SECONDS", 0.1)
    async with ScriptedApi() as server, server.client() as api:
        with pytest.raises(Unavailable, match="Timeout"):
            _ = [e async for e in api.watch(PODS, resource_version="5")]


@on_loop
async def test_a_watch_that_is_refused_has_another_token_next_time():
    tokens = ["Bearer old", "Bearer new"]
    script = [status(401, "Unauthorized"), scripted_api.stream()]
    credentials = Credentials(lambda renewed: tokens[renewed])
    async with ScriptedApi(watches=script) as server, server.client(credentials) as api:
        with pytest.raises(Unauthorized):
            _ = [e async for e in api.watch(PODS, resource_version="5")]
        assert [e async for e in api.watch(PODS, resource_version="5")] == []
        assert [r.headers["Authorization"] for r in server.requests] == tokens


@on_loop
async def test_events_of_any_size_arrive_whole():
    small, large = pod("small", 6), pod("large", 7, data="x" * 3_000_000)
    script = [scripted_api.stream(("ADDED", small), ("ADDED", large), scripted_api.bookmark(8))]
    async with ScriptedApi(watches=script) as server, server.client() as api:
        events = [
            e
            async for e in api.watch(
                PODS, "a", resource_version="5", label_selector="x", timeout_seconds=9
            )
        ]
    assert events == [("ADDED", small), ("ADDED", large), scripted_api.bookmark(8)]
    assert server.requests[0].query == {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "timeoutSeconds": "9",
        "labelSelector": "x",
    }
