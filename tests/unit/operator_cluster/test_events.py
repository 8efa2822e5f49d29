"""Events on the wire: what is sent when something is said again, too often, or cannot be said."""

from __future__ import annotations

import uuid

import pytest
from scripted_api import ScriptedApi, answer, on_loop, pod, status

from perdure_operator.cluster import events


@pytest.fixture
def regarding():
    return pod("p", 1, uid=uuid.uuid4().hex, apiVersion="v1", kind="Pod")


async def emit(api, regarding, message="because"):
    await events.emit(
        api, regarding, type="Warning", reason="Tried", message=message, action="Trying"
    )


@on_loop
async def test_what_is_said(regarding):
    async with ScriptedApi([answer({}, 201)]) as server, server.client() as api:
        await emit(api, regarding)
    [request] = server.requests
    assert request.path == "/apis/events.k8s.io/v1/namespaces/a/events"
    event = request.body
    assert event["metadata"]["name"].startswith("p.")
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "Tried", "because")
    assert event["action"] == "Trying"
    assert event["reportingController"] == "perdure.dev/operator"
    assert event["regarding"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "a",
        "name": "p",
        "uid": regarding["metadata"]["uid"],
        "resourceVersion": "1",
    }


@on_loop
async def test_what_is_said_again_is_counted(regarding):
    exists = status(409, "AlreadyExists")
    script = [exists, answer({}), answer({}), exists, answer({"series": {"count": 2}}), answer({})]
    async with ScriptedApi(script) as server, server.client() as api:
        await emit(api, regarding)
        await emit(api, regarding)
    patches = [r.body.get("series", {}).get("count") for r in server.asked("PATCH")]
    assert patches == [None, 2, None, 3]
    assert len({r.path for r in server.asked("PATCH")}) == 1


@on_loop
async def test_other_words_are_another_event(regarding):
    async with ScriptedApi([answer({}, 201)] * 2) as server, server.client() as api:
        await emit(api, regarding, "this")
        await emit(api, regarding, "that")
    assert len({r.body["metadata"]["name"] for r in server.requests}) == 2


@on_loop
async def test_a_long_note_is_cut_between_characters(regarding):
    async with ScriptedApi([answer({}, 201)]) as server, server.client() as api:
        await emit(api, regarding, "\N{EURO SIGN}" * 1000)
    note = server.requests[0].body["note"]
    assert note == "\N{EURO SIGN}" * 341


@on_loop
async def test_a_failure_is_logged_and_never_raised(regarding, caplog):
    async with ScriptedApi([status(403, "Forbidden", "no")]) as server, server.client() as api:
        await emit(api, regarding)
    assert "Tried" in caplog.text


@on_loop
async def test_a_flood_is_left_out(regarding):
    async with ScriptedApi([answer({}, 201)] * 99) as server, server.client() as api:
        for number in range(99):
            await emit(api, regarding, str(number))
        assert len(server.requests) == 25
        await emit(api, pod("q", 1, uid=uuid.uuid4().hex, apiVersion="v1", kind="Pod"))
        assert len(server.requests) == 26


def test_the_rate_recovers():
    rate = events.Rate()
    assert [rate.allows("u", 0.0) for _ in range(26)] == [True] * 25 + [False]
    assert not rate.allows("u", 299.0)
    assert rate.allows("u", 301.0)
    assert not rate.allows("u", 302.0)


def test_the_rate_remembers_a_bounded_number_of_objects(monkeypatch):
    monkeypatch.setattr(events, "_OBJECTS_REMEMBERED", 2)
    rate = events.Rate()
    for uid in ("a", "b", "c"):
        assert rate.allows(uid, 0.0)
    assert len(rate._spent) == 2
