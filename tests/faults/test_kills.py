"""A process is killed at each of its requests, before the server hears of it and after it has obeyed.

`--kills N` kills at N requests of each kind of run, drawn by a seed, `--kills 0` at all of them.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lineage_process import Process, arrays, snapshot
from s3_faults import Fault, Refuse, Request
from s3_proxy import S3Proxy

from perdure.contract.environment import Keep
from perdure.lineage.chunk_writer import ChunkWriter
from perdure.lineage.records import RecordKind

pytestmark = pytest.mark.slow
KEEP = Keep(1)
SEED = 5
NOT_HEARD = Refuse(503, "ServiceUnavailable")
QUIET_SECONDS = 10.0


class Killer:
    """Kills a process when the proxy sees its request `number`, counted from 1."""

    def __init__(self, proxy: S3Proxy, number: int, *, is_obeyed: bool) -> None:
        self._proxy = proxy
        self._number = number
        self._is_obeyed = is_obeyed
        self._process = threading.Event()
        self._pid = 0
        self._lock = threading.Lock()
        self._seen = itertools.count(1)
        self._chosen: Request | None = None
        self.under_way = 0
        proxy.on_request, proxy.on_answer = self._on_request, self._on_answer

    def aim(self, pid: int) -> None:
        """At this process, whose requests wait for it."""
        self._pid = pid
        self._process.set()

    @property
    def has_killed(self) -> bool:
        """Whether the process has made so many requests."""
        return self._chosen is not None

    @property
    def what(self) -> str:
        """The request at which it was killed, in words."""
        assert self._chosen is not None
        where = self._chosen.key or self._chosen.query.get("prefix", "")
        return f"{self._chosen.kind} {'record' if '/log/' in where else 'chunk'}"

    def _on_request(self, request: Request) -> Fault | None:
        self._process.wait()
        with self._lock:
            if next(self._seen) != self._number:
                self.under_way += 1
                return None
            self._chosen = request
        if self._is_obeyed:
            self.under_way += 1
            return None
        os.kill(self._pid, signal.SIGKILL)
        return NOT_HEARD

    def _on_answer(self, request: Request, _status: int) -> None:
        if request is self._chosen:
            os.kill(self._pid, signal.SIGKILL)
        with self._lock:
            self.under_way -= 1

    def wait_until_quiet(self) -> None:
        """Until the server has answered what other threads of the dead process had asked; then look on."""
        deadline = time.monotonic() + QUIET_SECONDS
        while self.under_way and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.under_way == 0, "a request is still under way"
        self._proxy.heal()
        self._proxy.on_answer = lambda _request, _status: None


def places(most: int, requests: int) -> Iterator[int]:
    """The numbers of the requests at which to kill: 1, 2, ..., or `most` of the first `requests`."""
    if most == 0:
        yield from itertools.count(1)
        return
    yield from sorted(random.Random(SEED).sample(range(1, requests), most))


def run_to(bench: Any, number: int, start: Callable[[], int], *, is_obeyed: bool) -> str | None:
    """Kill the process that `start` begins at its request `number`; says which, None if it has ended."""
    killer = Killer(bench.proxy, number, is_obeyed=is_obeyed)
    killer.aim(start())
    code = bench.nursery.wait()
    killer.wait_until_quiet()
    assert code == (-signal.SIGKILL if killer.has_killed else 0), bench.log.read_text()
    return killer.what if killer.has_killed else None


def check_counts(killed: list[str], most: int, at_least: int) -> None:
    """Say at what was killed; the run must have had so many requests."""
    counts = {kind: killed.count(kind) for kind in sorted({*killed})}
    print(f"\n{len(killed)} kills: {counts}")
    assert len(killed) == most or (most == 0 and len(killed) > at_least)


before_and_after = pytest.mark.parametrize("is_obeyed", [False, True], ids=["before", "after"])


@pytest.mark.timeout(3600)
@before_and_after
def test_a_kill_at_any_request_of_a_run(bench, request, is_obeyed):
    """Each run takes over from the one before: claims, reads, saves four times, deletes."""
    most, newest = int(request.config.getoption("--kills")), 0
    killed: list[str] = []
    for number in places(most, 60):
        what = run_to(bench, number, bench.start, is_obeyed=is_obeyed)
        newest = bench.check(max(newest, bench.committed()))
        bench.go_on()
        if what is None:
            break
        killed.append(what)
    check_counts(killed, most, 30)


def leave_much(bench: Any) -> None:
    """Five checkpoints, and what a process has left that was killed while it saved."""
    trainer = Process(bench.store, Keep(5)).begin()
    for step in range(5):
        trainer.save(step, arrays(step))
    dead = Process(bench.store, Keep(5)).begin()
    log = dead.lineage.log
    ChunkWriter(bench.store, log.prefix, log.writer).write(snapshot(9, arrays(9)).drain())
    dead.lineage.log.append(RecordKind.FINISHED, {"digest": None})


@pytest.mark.timeout(3600)
@before_and_after
def test_a_kill_at_any_request_of_a_prune(bench, request, is_obeyed):
    """`perdure checkpoints prune --keep`, and another that finishes what the killed one began."""
    most = int(request.config.getoption("--kills"))
    killed: list[str] = []
    for number in places(most, 30):
        bench.renew()
        leave_much(bench)
        newest = bench.check(0)
        what = run_to(bench, number, bench.start_prune, is_obeyed=is_obeyed)
        assert bench.check(newest) == newest
        bench.start_prune()
        assert bench.nursery.wait() == 0, bench.log.read_text()
        assert bench.check(newest) == newest
        bench.check_nothing_is_left_over(Process(bench.store, KEEP))
        bench.go_on()
        if what is None:
            break
        killed.append(what)
    check_counts(killed, most, 15)
