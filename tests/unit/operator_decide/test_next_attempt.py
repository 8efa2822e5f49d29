"""The decision after an ended attempt."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from perdure.contract.exits import Reason
from perdure.contract.status import Committed, Ending, Status
from perdure_operator.decide import AttemptEnd, Counters, Decision, Phase, decide
from perdure_operator.decide.waiting import decide_waiting
from perdure_operator.model.job import Spec

KILL = int(signal.SIGKILL)
NEW = Counters()


def spec(**fields: Any) -> Spec:
    return Spec.model_validate({"command": ["python"], **fields})


def status(ending: Ending | None = None, record: int | None = None) -> Status:
    saved = (
        None if record is None else Committed(record, 10 * record, "2026-01-01T00:00:00Z", 8, "")
    )
    return Status("a/b/1", 4, checkpoint=saved, checkpoints=int(saved is not None), ending=ending)


def ended(code: int, reason: Reason, message: str = "", record: int | None = None) -> AttemptEnd:
    return AttemptEnd(4, code, status=status(Ending(code, reason, message), record))


def decided(end: AttemptEnd, before: Counters = NEW, now: float = 0, **fields: Any) -> Decision:
    return decide(end, before, spec(**fields), started=0, now=now)


DISTURBED = AttemptEnd(4, None, KILL, status(), disrupted=True)
STUCK = Counters(no_progress=10)


@pytest.mark.parametrize(
    ("end", "phase", "reason"),
    [
        pytest.param(ended(0, Reason.FINISHED), Phase.SUCCEEDED, "Finished", id="finished"),
        pytest.param(
            ended(0, Reason.ALREADY_FINISHED), Phase.SUCCEEDED, "AlreadyFinished", id="was finished"
        ),
        pytest.param(AttemptEnd(4, 0), Phase.SUCCEEDED, "Finished", id="finished without a word"),
        pytest.param(ended(77, Reason.STOPPED), Phase.STOPPED, "Stopped", id="stopped"),
        pytest.param(ended(78, Reason.REFUSED), Phase.FAILED, "Refused", id="refused"),
        pytest.param(ended(75, Reason.FENCED), Phase.FAILED, "Fenced", id="fenced"),
        pytest.param(ended(76, Reason.DIVERGED), Phase.FAILED, "Diverged", id="diverged"),
    ],
)
def test_the_end(end, phase, reason):
    decision = decided(end, STUCK)
    assert (decision.phase, decision.reason, decision.start_attempt) == (phase, reason, None)


@pytest.mark.parametrize(
    ("end", "before", "delay", "after"),
    [
        pytest.param(
            ended(75, Reason.PREEMPTED, record=7),
            Counters(preemptions=2, no_progress=3, record=5),
            0,
            Counters(preemptions=3, record=7),
            id="preempted with progress: at once",
        ),
        pytest.param(
            ended(75, Reason.PREEMPTED),
            Counters(no_progress=2),
            4,
            Counters(preemptions=1, no_progress=3),
            id="preempted without progress: backs off",
        ),
        pytest.param(
            DISTURBED, Counters(), 1, Counters(preemptions=1, no_progress=1), id="killed by us"
        ),
        pytest.param(
            AttemptEnd(4, None, KILL, status(record=1)),
            Counters(),
            1,
            Counters(failures=1, record=1),
            id="killed by nobody knows who",
        ),
        pytest.param(
            AttemptEnd(4, 78), Counters(), 1, Counters(failures=1, no_progress=1), id="78, not ours"
        ),
        pytest.param(
            ended(69, Reason.STORE_UNREACHABLE),
            Counters(no_progress=5),
            32,
            Counters(infrastructure=1, no_progress=6),
            id="store unreachable",
        ),
    ],
)
def test_another_attempt(end, before, delay, after):
    decision = decided(end, before)
    assert (decision.phase, decision.start_attempt) == (Phase.PENDING, 5)
    assert (decision.delay_seconds, decision.counters) == (delay, after)


@pytest.mark.parametrize(
    ("end", "before", "fields", "reason"),
    [
        pytest.param(AttemptEnd(4, 1), Counters(failures=3), {}, "TooManyFailures", id="failures"),
        pytest.param(
            DISTURBED, STUCK, {}, "NoProgress", id="preempted again and again for nothing"
        ),
        pytest.param(
            ended(75, Reason.PREEMPTED, record=1),
            Counters(preemptions=1),
            {"retries": {"preemptions": 1}},
            "TooManyPreemptions",
            id="preemptions, where they are limited",
        ),
        pytest.param(
            AttemptEnd(4, 1),
            Counters(),
            {"activeDeadlineSeconds": 60},
            "DeadlineExceeded",
            id="time",
        ),
    ],
)
def test_no_further_attempt(end, before, fields, reason):
    decision = decided(end, before, now=60, **fields)
    assert (decision.phase, decision.reason) == (Phase.FAILED, reason)
    assert decision.start_attempt is None


def test_the_trainer_has_the_word():
    assert decided(ended(78, Reason.REFUSED, "no such bucket: x")).message == "no such bucket: x"


def test_an_end_without_perdure_is_said():
    assert "perdure.callbacks(...)" in decided(AttemptEnd(4, 0)).message


@pytest.mark.parametrize(
    ("end", "phase"),
    [
        pytest.param(AttemptEnd(4, 75, asked_to_stop=True), Phase.SUSPENDED, id="went"),
        pytest.param(AttemptEnd(4, None, KILL, asked_to_stop=True), Phase.SUSPENDED, id="had to"),
        pytest.param(AttemptEnd(4, 0, asked_to_stop=True), Phase.SUCCEEDED, id="was done"),
    ],
)
def test_asked_to_stop_uses_no_budget(end, phase):
    decision = decided(end, STUCK)
    assert (decision.phase, decision.counters) == (phase, STUCK)


def test_rollback():
    policy = {"divergence": {"action": "Rollback", "times": 2, "learningRateFactor": "0.5"}}
    decision = decided(ended(76, Reason.DIVERGED), Counters(divergence=1), retries=policy)
    assert (decision.start_attempt, decision.roll_back) == (5, True)
    assert decision.learning_rate_factor == "0.25"
    assert (
        decided(ended(76, Reason.DIVERGED), decision.counters, retries=policy).reason == "Diverged"
    )


def test_factor_stays_in_force_after_other_endings():
    policy = {"divergence": {"action": "Rollback"}}
    decision = decided(AttemptEnd(4, 1), Counters(divergence=1), retries=policy)
    assert (decision.roll_back, decision.learning_rate_factor) == (False, "0.5")


@pytest.mark.parametrize(
    ("asked", "now", "reason"),
    [(False, 59, None), (True, 59, "AskedToStop"), (False, 60, "DeadlineExceeded")],
)
def test_waiting(asked, now, reason):
    pending = decided(AttemptEnd(4, 1))
    limits = spec(activeDeadlineSeconds=60)
    decision = decide_waiting(pending, limits, asked_to_stop=asked, started=0, now=now)
    assert (decision and decision.reason) == reason
