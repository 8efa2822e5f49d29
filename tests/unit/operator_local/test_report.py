"""What the runner says at the end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from perdure.contract.status import Committed, Ending, Notice, Status
from perdure_operator.decide import AttemptEnd, Counters, Decision, Phase
from perdure_operator.local.attempt import AttemptRecord
from perdure_operator.local.display import progress_words
from perdure_operator.local.disturbance import Disturbance, Kind
from perdure_operator.local.report import exit_code, summary, where_time_went
from perdure_operator.local.runner import Outcome
from perdure_operator.local.wording import counted, short_number

NOTICE = Notice("ProgramChanged", "train.py is another one")
SAVED = Committed(3, 40, "2026-01-01T00:00:00Z", 8, "d")
KILLED = Status(
    "a/b/1",
    1,
    steps_trained=43,
    checkpoints=2,
    checkpoint=SAVED,
    seconds={"Starting": 2.0, "Training": 3.0},
    notices=(NOTICE,),
)
FINISHED = Status(
    "a/b/1",
    2,
    steps_trained=60,
    steps_replayed=40,
    checkpoints=1,
    checkpoint=Committed(5, 100, "2026-01-01T00:00:00Z", 8, "d"),
    seconds={"Starting": 2.0, "Training": 4.0, "Restoring": 0.01},
    notices=(NOTICE,),
    ending=Ending(0, "EarlyStopped", monitor="val_loss", best_epoch=5, best_value="0.34"),
)
KILL = Disturbance(Kind.KILL, 40, "steps")


def outcome(phase: Phase = Phase.SUCCEEDED, reason: str = "Finished") -> Outcome:
    killed = AttemptEnd(1, None, int(signal.SIGKILL), KILLED, disrupted=True)
    attempts = (
        AttemptRecord(killed, 5.5, Path(), KILL, True),
        AttemptRecord(AttemptEnd(2, 0, status=FINISHED), 6.5, Path(), KILL, False),
    )
    plan = _Plan()
    return Outcome(plan, Decision(phase, reason, "", Counters()), attempts, 1.0, (KILL,))


class _Plan:
    logs = Path("/somewhere/logs")


def test_summary():
    assert list(summary(outcome())) == [
        "steps: at least 103 trained and 40 replayed in 2 attempts",
        "checkpoints: 3 committed, the last at step 100",
        "best val_loss: 0.34 in epoch 5 (from 0)",
        "time: training 7.0 s, starting 4.0 s, waiting to start again 1.0 s, not reported 1.0 s",
        "not fired: --kill-after 40 steps, attempt 2 ended before",
        "not fired: --kill-after 40 steps, no attempt was left for it",
        "note ProgramChanged: train.py is another one",
        "logs: /somewhere/logs",
    ]


def test_all_time_is_accounted_for():
    times = where_time_went(outcome())
    assert sum(seconds for _, seconds in times) == pytest.approx(5.5 + 6.5 + 1.0, abs=0.05)


@pytest.mark.parametrize(
    ("phase", "reason", "code"),
    [
        (Phase.SUCCEEDED, "Finished", 0),
        (Phase.SUCCEEDED, "AlreadyFinished", 0),
        (Phase.FAILED, "TooManyFailures", 1),
        (Phase.FAILED, "Refused", 78),
        (Phase.STOPPED, "Stopped", 77),
        (Phase.SUSPENDED, "AskedToStop", 77),
    ],
)
def test_exit_code(phase, reason, code):
    assert exit_code(outcome(phase, reason)) == code


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "attempt 2: starting"),
        (Status("a/b/1", 2, activity="Compiling"), "attempt 2: compiling"),
        (
            Status("a/b/1", 2, activity="Replaying", steps_replayed=3, steps_to_replay=9),
            "attempt 2: replaying, step 3 of 9",
        ),
        (
            Status.from_json(
                '{"schema": 1, "job": "a/b/1", "attempt": 2, "activity": "Training", "epoch": 1,'
                ' "step": 7, "totalSteps": 9, "metrics": [{"name": "loss", "value": "0.123456"}]}'
            ),
            "attempt 2: training, epoch 2, step 7 of 9, loss 0.1235",
        ),
        (
            Status("a/b/1", 2, activity="Training", step=7, checkpoint=SAVED),
            "attempt 2: training, epoch 1, step 7, checkpoint at step 40",
        ),
    ],
)
def test_progress_words(status, words):
    assert progress_words(2, status) == words


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(1, "step", "1 step"), (0, "step", "0 steps"), (2, "History entry", "2 History entries")],
)
def test_counted(number, noun, words):
    assert counted(number, noun) == words


@pytest.mark.parametrize(("value", "shown"), [("0.123456", "0.1235"), ("nan", "nan"), ("?", "?")])
def test_short_number(value, shown):
    assert short_number(value) == shown
