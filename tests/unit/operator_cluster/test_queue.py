"""The queue: no event lost, no key with two workers, delays that grow."""

from __future__ import annotations

import asyncio
import random

import pytest
from scripted_api import on_loop

from perdure_operator.app.queue import BASE_SECONDS, MOST_SECONDS, Queue


@on_loop
async def test_a_key_waits_once():
    queue = Queue[str]()
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert queue.adds == 2


@on_loop
async def test_a_key_that_is_added_during_its_work_comes_again_afterwards():
    queue = Queue[str]()
    queue.add("a")
    key = await queue.get()
    queue.add(key)
    queue.add(key)
    assert len(queue) == 0
    queue.done(key)
    assert len(queue) == 1
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


@on_loop
async def test_the_earliest_delay_wins():
    queue = Queue[str]()
    queue.add_after("a", 500)
    queue.add_after("a", 0.01)
    queue.add_after("a", 500)
    assert await queue.get() == "a"
    queue.done("a")
    await asyncio.sleep(0.05)
    assert len(queue) == 0


@on_loop
async def test_no_delay_is_now():
    queue = Queue[str]()
    queue.add_after("a", 0)
    queue.add_after("b", -3)
    assert len(queue) == 2


@on_loop
async def test_delays_double_until_forgotten(monkeypatch):
    queue, asked = Queue[str](), list[float]()
    monkeypatch.setattr(queue, "add_after", lambda _, seconds: asked.append(seconds))
    for _ in range(25):
        queue.add_rate_limited("a")
    queue.add_rate_limited("b")
    assert asked[:3] == [BASE_SECONDS, 2 * BASE_SECONDS, 4 * BASE_SECONDS]
    assert asked[24] == MOST_SECONDS
    assert asked[25] == BASE_SECONDS
    queue.forget("a")
    queue.add_rate_limited("a")
    assert asked[26] == BASE_SECONDS
    assert queue.retries == 27


@on_loop
async def test_waits_and_work_are_measured():
    queue = Queue[str]()
    assert queue.longest_wait() == queue.longest_work() == 0
    queue.add("a")
    await asyncio.sleep(0.02)
    assert queue.longest_wait() >= 0.02
    await queue.get()
    assert queue.longest_wait() == 0
    await asyncio.sleep(0.02)
    assert queue.longest_work() >= 0.02


@on_loop
async def test_a_cancelled_worker_takes_no_key_with_it():
    queue = Queue[str]()
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    queue.add("a")
    assert await queue.get() == "a"


@pytest.mark.parametrize("seed", range(5))
def test_every_change_is_seen_after_it_was_made_and_no_key_has_two_workers(seed):
    """Changes and workers in random order: what a worker saw last is what was written last."""
    chance = random.Random(seed)
    wanted, seen = dict.fromkeys(range(8), 0), dict.fromkeys(range(8), 0)
    at_work = set[int]()

    async def work(queue: Queue[int]) -> None:
        while True:
            key = await queue.get()
            assert key not in at_work
            at_work.add(key)
            value = wanted[key]
            await asyncio.sleep(chance.random() / 500)
            if chance.random() < 0.2:
                queue.add_rate_limited(key)
            else:
                queue.forget(key)
                seen[key] = value
            at_work.remove(key)
            queue.done(key)

    async def go() -> None:
        queue = Queue[int]()
        workers = [asyncio.create_task(work(queue)) for _ in range(4)]
        for _ in range(300):
            key = chance.randrange(8)
            wanted[key] += 1
            queue.add(key)
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() / 500)
        while seen != wanted and not any(worker.done() for worker in workers):
            await asyncio.sleep(0.005)
        for worker in workers:
            worker.cancel()
        failures = await asyncio.gather(*workers, return_exceptions=True)
        assert [f for f in failures if not isinstance(f, asyncio.CancelledError)] == []

    asyncio.run(asyncio.wait_for(go(), 30))
    assert seen == wanted
