"""What is shown while a job runs, on a terminal and elsewhere."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from perdure.contract.status import Status
from perdure_operator.local.display import Display

TWO_REFRESHES = 0.3
LONG = "attempt 1 " + "word " * 40


@pytest.mark.parametrize("width", [20, 80])
def test_events_are_whole_lines_without_a_terminal(width):
    out = io.StringIO()
    with Display(Console(file=out, width=width)) as display:
        display.progress(1, Status("a/b/1", 1, step=3))
        display.event(LONG + "[bold]")
    assert out.getvalue() == LONG + "[bold]\n"


def test_live_line_on_a_terminal():
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    status = Status("a/b/1", 1, activity="Training", step=3, total_steps=9)
    with Display(console) as display:
        display.progress(1, status, "--kill-after 5 steps")
        time.sleep(TWO_REFRESHES)
        display.event("attempt 1 started")
        display.waiting(2, 3.7)
        time.sleep(TWO_REFRESHES)
        display.event("attempt 2 started")
    shown = out.getvalue()
    assert "attempt 1: training, epoch 1, step 3 of 9" in shown
    assert "--kill-after 5 steps" in shown
    assert "attempt 2 starts in 4 s" in shown
