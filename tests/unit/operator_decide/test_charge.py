"""Which budget an ended attempt is charged to."""

from __future__ import annotations

import signal

import pytest

from perdure.contract.exits import Counted, Reason
from perdure.contract.status import Ending, Status
from perdure_operator.decide.charge import charge, charged_to
from perdure_operator.decide.types import AttemptEnd, Counters

KILL, TERM, SEGV = int(signal.SIGKILL), int(signal.SIGTERM), int(signal.SIGSEGV)
MUTE = Status("ns/job/1", 1)


def said(code: int, reason: Reason) -> Status:
    return Status("ns/job/1", 1, ending=Ending(code, reason))


@pytest.mark.parametrize(
    ("end", "counted"),
    [
        pytest.param(AttemptEnd(1, 0), Counted.NOTHING, id="finished, without a word"),
        pytest.param(AttemptEnd(1, 0, disrupted=True), Counted.NOTHING, id="finished all the same"),
        pytest.param(AttemptEnd(1, 1), Counted.FAILURE, id="the program failed"),
        pytest.param(
            AttemptEnd(1, 75, status=said(75, Reason.PREEMPTED)), Counted.PREEMPTION, id="preempted"
        ),
        pytest.param(AttemptEnd(1, 75, status=MUTE), Counted.FAILURE, id="75 of another program"),
        pytest.param(
            AttemptEnd(1, 69, status=said(69, Reason.STORE_UNREACHABLE)),
            Counted.INFRASTRUCTURE,
            id="store unreachable",
        ),
        pytest.param(
            AttemptEnd(1, 76, status=said(76, Reason.DIVERGED)), Counted.DIVERGENCE, id="diverged"
        ),
        pytest.param(
            AttemptEnd(1, 77, status=said(77, Reason.STOPPED)), Counted.NOTHING, id="stopped"
        ),
        pytest.param(AttemptEnd(1, None, KILL), Counted.FAILURE, id="SIGKILL that nobody explains"),
        pytest.param(
            AttemptEnd(1, None, KILL, MUTE, disrupted=True), Counted.PREEMPTION, id="killed by us"
        ),
        pytest.param(
            AttemptEnd(1, None, TERM, disrupted=True),
            Counted.PREEMPTION,
            id="no handler for SIGTERM",
        ),
        pytest.param(
            AttemptEnd(1, 143, disrupted=True), Counted.PREEMPTION, id="a shell's SIGTERM"
        ),
        pytest.param(
            AttemptEnd(1, 1, status=said(1, Reason.ERROR), disrupted=True),
            Counted.FAILURE,
            id="failed by itself before the kill",
        ),
        pytest.param(
            AttemptEnd(1, None, KILL, said(75, Reason.PREEMPTED)),
            Counted.PREEMPTION,
            id="killed after its last word",
        ),
        pytest.param(AttemptEnd(1, None, SEGV), Counted.FAILURE, id="crashed"),
    ],
)
def test_charged_to(end, counted):
    assert charged_to(end) is counted


@pytest.mark.parametrize(
    ("counted", "counters"),
    [
        (Counted.FAILURE, Counters(failures=1)),
        (Counted.INFRASTRUCTURE, Counters(infrastructure=1)),
        (Counted.PREEMPTION, Counters(preemptions=1)),
        (Counted.DIVERGENCE, Counters(divergence=1)),
        (Counted.NOTHING, Counters()),
    ],
)
def test_charge(counted, counters):
    assert charge(Counters(), counted) == counters


@pytest.mark.parametrize(
    ("end", "description"),
    [
        (AttemptEnd(1, 1), "exited with 1"),
        (AttemptEnd(1, 75, status=said(75, Reason.PREEMPTED)), "exited with 75 (Preempted)"),
        (AttemptEnd(1, None, KILL), "was ended by SIGKILL"),
    ],
)
def test_description(end, description):
    assert end.description == description
