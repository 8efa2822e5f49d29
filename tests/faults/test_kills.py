"""A process is killed at each of its requests, before the server hears of it and after it has obeyed.

`--kills N` kills at N requests of each kind of run, drawn by a seed, `--kills 0` at all of them.
"""

from __future__ import annotations

import itertools
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from killing import Killer
from lineage_process import Process, arrays, snapshot

from perdure.contract.environment import Keep
from perdure.lineage.chunk_writer import ChunkWriter
from perdure.lineage.records import RecordKind

pytestmark = pytest.mark.slow
KEEP = Keep(1)
SEED = 5


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
