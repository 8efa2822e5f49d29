"""What is concluded from disturbed and undisturbed runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from perdure_operator.decide import AttemptEnd, Counters, Decision, Phase
from perdure_operator.local.attempt import AttemptRecord
from perdure_operator.local.disturbance import Disturbance, Kind
from perdure_operator.local.plan import Plan
from perdure_operator.local.prove import prove
from perdure_operator.local.results import (
    Fit,
    Results,
    ResultsError,
    Row,
    Tensor,
    read_results,
)
from perdure_operator.local.runner import Outcome
from perdure_operator.model import TrainingJob

DISTURBANCE = Disturbance(Kind.KILL, 5, "steps")
JOB = TrainingJob.model_validate(
    {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "digits"},
        "spec": {"command": ["python", "train.py"]},
    }
)
PLAN = Plan(JOB, Path(), Path("/nowhere/.perdure"), {})
DISTURBED, UNDISTURBED, AGAIN = "1-now", "1-now-undisturbed", "1-now-undisturbed-again"


def results(digest: str, waited: str = "0") -> Results:
    tensor = Tensor("model", 0, "kernel", "float32", (1,), digest)
    fit = Fit(
        0, digest, 9, {"loss": [0.5]}, (tensor,),
        callbacks={("Own", 0, "waited"): waited},
        paths=("model kernel",),
        rows=(Row(8, 1, 3, ("equal",)), Row(9, 1, 4, (digest,))),
    )  # fmt: skip
    return Results("default/digits/1", True, (fit,))


PARTED = (
    "; the runs part: all tensors are equal after step 8 of fit 0 (epoch 1, batch 3), and after "
    "step 9 of fit 0 (epoch 1, batch 4) 1 of 1 differ, the first is model kernel"
)


class Runs:
    """Runs that end as they are told, and the digests that they come to."""

    def __init__(self, digests: dict[str, str], failing: str = "", fires: bool = True) -> None:
        self.digests = digests
        self.failing = failing
        self.fires = fires
        self.made: list[tuple[str, tuple[Disturbance, ...]]] = []

    def run(self, plan: Plan, disturbances) -> Outcome:
        name = plan.job.spec.run
        self.made.append((name, tuple(disturbances)))
        phase = Phase.FAILED if name == self.failing else Phase.SUCCEEDED
        end = AttemptEnd(1, 0)
        record = AttemptRecord(end, 1.0, Path(), DISTURBANCE, bool(disturbances) and self.fires)
        return Outcome(plan, Decision(phase, "", "", Counters()), (record,), 0.0, ())

    def read(self, plan: Plan) -> Results:
        return results(self.digests[plan.job.spec.run])


def proof(runs: Runs, *disturbances: Disturbance):
    return prove(PLAN, "now", disturbances, runs.run, runs.read)


def test_identical():
    runs = Runs({DISTURBED: "d", UNDISTURBED: "d"})
    proved = proof(runs, DISTURBANCE)
    assert (proved.identical, proved.verdict) == (
        True,
        "identical: 1 fit, 1 tensor, 1 History entry",
    )
    assert runs.made == [(DISTURBED, (DISTURBANCE,)), (UNDISTURBED, ())]


def test_the_runs_record_fingerprints_of_their_steps():
    asked = []

    def run(plan: Plan, disturbances) -> Outcome:
        asked.append([callback.name for callback in plan.job.spec.callbacks])
        return Runs({}).run(plan, disturbances)

    prove(PLAN, "now", (), run, lambda plan: results("d"))
    assert asked == [["perdure.fingerprints:Fingerprints"]] * 2
    assert PLAN.job.spec.callbacks == []


def test_states_of_callbacks_that_differ_are_said_and_decide_nothing():
    waited = iter("12")
    proved = prove(PLAN, "now", (), Runs({}).run, lambda plan: results("d", next(waited)))
    assert proved.identical
    assert "1 History entry; in fit 0 callbacks differ in Own.waited" in proved.verdict


def test_identical_for_want_of_a_disturbance_is_said():
    runs = Runs({DISTURBED: "d", UNDISTURBED: "d"}, fires=False)
    assert "but nothing was disturbed" in proof(runs, DISTURBANCE).verdict


@pytest.mark.parametrize(
    ("again", "verdict"),
    [
        (
            "u",
            "not identical: fit 0, tensor model[0]: kernel float32[1] d against kernel float32[1] u"
            f"{PARTED}; two undisturbed runs are identical",
        ),
        (
            "a",
            "not repeatable even undisturbed: "
            f"fit 0, tensor model[0]: kernel float32[1] u against kernel float32[1] a{PARTED}",
        ),
    ],
)
def test_difference_runs_the_undisturbed_one_again(again, verdict):
    runs = Runs({DISTURBED: "d", UNDISTURBED: "u", AGAIN: again})
    proved = proof(runs, DISTURBANCE)
    assert (proved.identical, proved.verdict) == (False, verdict)
    assert [name for name, _ in runs.made] == [DISTURBED, UNDISTURBED, AGAIN]


@pytest.mark.parametrize(
    ("failing", "verdict"),
    [
        (DISTURBED, "nothing to compare: run 1-now did not succeed"),
        (UNDISTURBED, "nothing to compare: run 1-now-undisturbed did not succeed"),
        (AGAIN, "the undisturbed run did not succeed again"),
    ],
)
def test_run_that_does_not_succeed_proves_nothing(failing, verdict):
    runs = Runs({DISTURBED: "d", UNDISTURBED: "u"}, failing)
    proved = proof(runs, DISTURBANCE)
    assert not proved.identical
    assert verdict in proved.verdict


def test_results_that_cannot_be_read_are_said():
    runs = Runs({})

    def read(plan: Plan) -> Results:
        raise ResultsError("expected the results")

    assert prove(PLAN, "now", (), runs.run, read).verdict == "expected the results"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """What stands in for `python`: answers `-m perdure checkpoints results ...` with a script."""

    def answer(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return answer


def test_results_are_asked_of_the_library(library, tmp_path):
    library(f'echo "$@" > {tmp_path}/asked; echo \'{{"job": "j", "finished": true, "fits": []}}\'')
    assert read_results(PLAN) == Results("j", True, ())
    assert (tmp_path / "asked").read_text().split() == [
        *("-m", "perdure", "checkpoints", "results"),
        *("--store", "file:///nowhere/.perdure", "--job", "default/digits/1"),
    ]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "echo first >&2; echo no such lineage >&2; exit 3",
            "expected the results of default/digits/1 from file:///nowhere/.perdure. "
            "Received: exit code 3, no such lineage",
        ),
        ("exit 1", "Received: exit code 1, nothing"),
        ("echo hello", "expected results as JSON"),
        ("echo '{}'", "expected results as JSON. Received: KeyError('fits')."),
    ],
)
def test_results_that_the_library_cannot_give(library, script, sentence):
    library(script)
    with pytest.raises(ResultsError, match=re.escape(sentence)):
        read_results(PLAN)
