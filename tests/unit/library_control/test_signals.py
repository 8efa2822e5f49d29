"""SIGTERM ends the process in time, whatever the training thread or others are in."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from perdure.board import Board
from perdure.errors import Preempted, StoreUnreachable
from perdure.signals import NothingUnsaved, Watcher

board = Board("team/digits/1", 1)

def end(ending):
    board.end(ending)
    counts = board.status().ending
    print("ended", int(counts.code), counts.message, flush=True)
    return counts

class Stuck(NothingUnsaved):
    def exists(self):
        return True
    def saved_step(self):
        return 7

class Broken(Stuck):
    def rescue(self, seconds):
        raise MemoryError("can't start new thread")

watcher = Watcher(GRACE, end)

def ready():
    print("ready", flush=True)

def until_told():
    ready()
    while not watcher.is_set:
        time.sleep(0.01)
    watcher.take()

def leave(with_):
    end(with_.ending())
    raise with_
"""

STALLED_REQUEST = """
pool = ThreadPoolExecutor(1)
pool.submit(time.sleep, 60)
until_told()
leave(Preempted(5))
"""
STALLED_AFTER_ANOTHER_ENDING = STALLED_REQUEST.replace("Preempted(5)", "StoreUnreachable('away')")
STUCK_AFTER_TAKING = """
watcher.unsaved = Stuck()
until_told()
time.sleep(60)
"""
RESCUE_FAILS = """
watcher.unsaved = Broken()
ready()
time.sleep(60)
"""
WAKEUP_TAKEN = """
read, write = os.pipe()
os.set_blocking(write, False)
signal.set_wakeup_fd(write)
ready()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        pytest.param(STALLED_REQUEST, 75, "saved at step 5", id="a request stalls"),
        pytest.param(STALLED_AFTER_ANOTHER_ENDING, 69, "away", id="another ending counts"),
        pytest.param(STUCK_AFTER_TAKING, 75, "saved at step 7", id="the train thread is stuck"),
        pytest.param(
            RESCUE_FAILS, 75, "MemoryError: can't start", id="saving fails as never before"
        ),
        pytest.param(WAKEUP_TAKEN, 75, "told to end by SIGTERM", id="another wakeup descriptor"),
    ],
)
def test_the_process_goes_within_the_grace(body, code, said):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("GRACE", "2.0") + body],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code, output
    assert said in output
