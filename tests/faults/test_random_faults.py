"""Saves while the network, the server and the credentials fail at random: each one is looked at.

`--faults N` makes N saves; the seed is printed, and PERDURE_FAULTS_SEED repeats one. Which request
meets which fault also depends on what several threads send at once.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from typing import Any

import pytest
from faults_at_random import SINGLE, Weather
from s3_faults import Delay

pytestmark = pytest.mark.slow

SAVES_OF_A_PROCESS = 20


def look_at_each_save(bench: Any, weather: Weather, saves: int) -> int:
    """Run a process that makes `saves` saves, and look at each once it is committed."""
    looked_at = bench.folder / f"looked-at-{bench.runs}"
    weather.is_saving = False
    bench.start(saves, LOOKED_AT=str(looked_at))
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(bench.nursery.wait()))
    waiting.start()
    seen = 0
    while waiting.is_alive() or seen < len(commits(bench)):
        weather.is_saving = any("resumed" in line for line in bench.said())
        for line in commits(bench)[seen:]:
            assert bench.check(line["committed"]) == line["committed"]
            looked_at.with_suffix(f".{line['step']}").touch()
            seen += 1
        time.sleep(0.01)
    waiting.join()
    assert codes == [0], bench.log.read_text()
    return seen


def commits(bench: Any) -> list[dict[str, Any]]:
    return [line for line in bench.said() if "committed" in line]


@pytest.mark.timeout(3600)
def test_no_save_is_lost_or_wrong(bench, request):
    saves = int(request.config.getoption("--faults"))
    seed = int(os.environ.get("PERDURE_FAULTS_SEED", secrets.randbelow(10**6)))
    print(f"\nPERDURE_FAULTS_SEED={seed}")
    weather = Weather(seed)
    bench.proxy.on_request = weather
    made = failures = 0
    while made < saves:
        made += look_at_each_save(bench, weather, min(SAVES_OF_A_PROCESS, saves - made))
        assert not any(line.get("damaged") for line in bench.said()), bench.log.read_text()
        failures += check_what_was_said(bench)
    bench.proxy.heal()
    time.sleep(max(fault.seconds for fault in SINGLE if isinstance(fault, Delay)))
    bench.go_on()
    print(f"{made} saves by {bench.runs} processes, {failures} tries failed, 0 unreadable, 0 wrong")
    print(f"{weather.met.total()} faults at {len(bench.proxy.requests)} requests: {weather.met}")
    assert made == saves
    assert weather.met.total() > saves / 4


def check_what_was_said(bench: Any) -> int:
    """One line where saving began to fail, one where it worked again; the number of failed tries."""
    failures: int = bench.said()[-1]["failures"]
    began = bench.log.read_text().count("a save did not commit")
    ended = bench.log.read_text().count("saves commit again")
    assert began == ended
    assert (began > 0) == (failures > 0)
    assert ("StoreUnavailable" in bench.said()[-1]["notices"]) == (failures > 0)
    return failures
