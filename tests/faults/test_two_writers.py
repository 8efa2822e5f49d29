"""A second process takes over at any request of the first, which is held until the second has saved.

`--kills N` tries N requests, drawn by a seed, `--kills 0` all of them. Every order of their requests is
tried in a model: tests/unit/library_lineage/test_interleavings.py.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
from typing import Any

import pytest
from s3_faults import Request
from trainers import Nursery

pytestmark = pytest.mark.slow
SEED = 6
REQUESTS = 55


class Second:
    """Runs the second process at request `number` of the first."""

    def __init__(self, bench: Any, nursery: Nursery, number: int) -> None:
        self.bench = dataclasses.replace(bench, nursery=nursery, folder=bench.folder / str(number))
        self.bench.folder.mkdir()
        self.code: int | None = None
        self._number = number
        self._seen = itertools.count(1)
        self._lock = threading.Lock()

    def __call__(self, _request: Request) -> None:
        with self._lock:
            is_it = next(self._seen) == self._number
        if is_it:
            self.bench.start(2)
            self.code = self.bench.nursery.wait()


@pytest.mark.timeout(3600)
def test_a_second_process_at_any_request(bench, second_nursery, request):
    most = int(request.config.getoption("--kills"))
    drawn = sorted(random.Random(SEED).sample(range(1, REQUESTS), most))
    fenced = tried = 0
    for number in drawn or itertools.count(1):
        second = Second(bench, second_nursery, number)
        bench.proxy.on_request = second
        bench.start(READ_SECONDS="60")
        assert bench.nursery.wait() == 0, bench.log.read_text()
        bench.proxy.heal()
        if second.code is None:
            break
        assert second.code == 0, second.bench.log.read_text()
        assert not any("fenced" in line for line in second.bench.said())
        words = [line["fenced"] for line in bench.said() if "fenced" in line]
        assert all("another process" in word for word in words)
        newest = bench.check(second.bench.committed())
        assert newest == second.bench.committed() or not words
        bench.go_on()
        tried += 1
        fenced += len(words)
    print(f"\na second process at {tried} requests: the first was fenced {fenced} times")
    assert fenced > tried / 2
    assert tried == most or most == 0
