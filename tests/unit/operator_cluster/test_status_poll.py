"""Trainers that answer, lie, stall or are gone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from scripted_api import ScriptedApi, on_loop, pod, raw, reset

from perdure.contract import labels
from perdure.contract.status import Status
from perdure_operator.cluster import status_poll
from perdure_operator.cluster.status_poll import StatusPoller

STATUS = Status("a/job/1", 2, step=7)
FINE = raw(STATUS.to_json().encode())


def trainer(name="p", ip="127.0.0.1", phase="Running", **changed):
    own = {labels.JOB_LABEL: "job", labels.RUN_LABEL: "1", labels.ATTEMPT_LABEL: "2"} | changed
    made = pod(name, 1, status={"phase": phase, "podIP": ip})
    made["metadata"]["labels"] = own
    return made


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(status_poll, "LEAST_PERIOD_SECONDS", 0.0)
    monkeypatch.setattr(status_poll, "_ROUND_SECONDS", 0.1)
    monkeypatch.setattr(status_poll, "_TIMEOUT_SECONDS", 0.3)


@asynccontextmanager
async def polling(server, pods):
    reports = asyncio.Queue()
    async with server:
        poller = StatusPoller(lambda: pods, lambda *key: reports.put_nowait(key), port=server.port)
        running = asyncio.create_task(poller.run())
        try:
            yield poller, reports
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@on_loop
async def test_a_report_is_kept_and_said_when_it_changes():
    later = raw(replace(STATUS, step=8).to_json().encode())
    async with polling(ScriptedApi([FINE, FINE, later]), [trainer()]) as (poller, reports):
        assert await reports.get() == ("a", "job")
        status, at = poller.report("uid-of-p")
        assert status == STATUS
        assert at > 1_500_000_000
        assert poller.silent_since("uid-of-p") is None
        assert await reports.get() == ("a", "job")
        assert poller.report("uid-of-p")[0].step == 8


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(raw(b"x" * 70_000), id="too long"),
        pytest.param(raw(b'"' + b"[" * 60_000), id="deep"),
        pytest.param(raw(b"\xff"), id="no text"),
        pytest.param(raw(b'{"schema": 99}'), id="another schema"),
        pytest.param(raw(STATUS.to_json().encode(), 500), id="500"),
        pytest.param(raw(b"", 302, {"Location": "http://127.0.0.1/"}), id="elsewhere"),
        pytest.param(raw(replace(STATUS, attempt=1).to_json().encode()), id="another attempt"),
        pytest.param(raw(replace(STATUS, job="a/other/1").to_json().encode()), id="another job"),
    ],
)
@on_loop
async def test_what_is_no_report_is_silence(reply):
    async with polling(ScriptedApi([reply, FINE]), [trainer()]) as (poller, reports):
        await reports.get()
        assert poller.report("uid-of-p") == (None, 0.0)
        assert poller.silent_since("uid-of-p") > 1_500_000_000
        await reports.get()
        assert poller.report("uid-of-p")[0] == STATUS
        assert poller.silent_since("uid-of-p") is None


@on_loop
async def test_a_trainer_that_stalls_keeps_its_last_report_and_holds_up_nobody():
    server = ScriptedApi([FINE])
    server.replies += [server.no_answer] * 100
    async with polling(server, [trainer()]) as (poller, reports):
        await reports.get()
        await reports.get()
        assert poller.silent_since("uid-of-p") is not None
        assert poller.report("uid-of-p")[0] == STATUS


@on_loop
async def test_a_trainer_that_hangs_up_is_silent():
    server = ScriptedApi([reset] * 2)  # aiohttp asks once more by itself
    async with polling(server, [trainer()]) as (poller, reports):
        await reports.get()
        assert poller.silent_since("uid-of-p") is not None


@on_loop
async def test_only_running_trainers_are_asked():
    pods = [
        trainer("pending", phase="Pending"),
        trainer("nowhere", ip=""),
        pod("stranger", 1, status={"phase": "Running", "podIP": "127.0.0.1"}),
        {"metadata": pod("new", 1)["metadata"]},
    ]
    async with polling(ScriptedApi(), pods) as (poller, reports):
        await asyncio.sleep(0.3)
        assert reports.empty()
        assert poller.report("uid-of-pending") == (None, 0.0)
        assert poller.silent_since("uid-of-pending") is None


@on_loop
async def test_what_is_gone_is_forgotten():
    pods = [trainer()]
    async with polling(ScriptedApi([FINE] * 9), pods) as (poller, reports):
        await reports.get()
        pods.clear()
        while poller.report("uid-of-p") != (None, 0.0):
            await asyncio.sleep(0.05)


def test_the_budget_is_shared_by_all(monkeypatch):
    """1000 trainers: 20 a second, each every 50 seconds, nobody twice before all were asked."""
    monkeypatch.setattr(status_poll, "LEAST_PERIOD_SECONDS", 5.0)
    poller = StatusPoller(lambda: [trainer(f"p{n}") for n in range(1000)], lambda *_: None)
    asked = [[t.pod["metadata"]["name"] for t in poller._due(float(now))] for now in range(100)]
    assert {len(each) for each in asked} == {20}
    assert len({name for each in asked[:50] for name in each}) == 1000


def test_a_few_are_asked_every_five_seconds(monkeypatch):
    monkeypatch.setattr(status_poll, "LEAST_PERIOD_SECONDS", 5.0)
    poller = StatusPoller(lambda: [trainer("p"), trainer("q")], lambda *_: None)
    assert [len(poller._due(float(now))) for now in range(11)] == [2, 0, 0, 0, 0] * 2 + [2]
