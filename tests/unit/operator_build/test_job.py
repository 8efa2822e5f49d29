"""The batch/v1 Job of an attempt."""

from __future__ import annotations

from looks import training_job

from perdure_operator.build.job import attempt_job
from perdure_operator.build.names import child_labels
from perdure_operator.build.pod import Surroundings

JOB = attempt_job(training_job(run="2"), Surroundings(3, "digits:1", "s3://b/p", 30))


def test_who_it_belongs_to():
    assert JOB["metadata"]["name"] == "digits-3"
    assert JOB["metadata"]["namespace"] == "team"
    assert JOB["metadata"]["labels"] == child_labels("digits", "2", 3)
    (owner,) = JOB["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("TrainingJob", "digits", "tj")
    assert owner["controller"]


def test_without_an_operator_it_replaces_what_was_taken_away_and_nothing_else():
    spec = JOB["spec"]
    assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (0, "Failed")
    disrupted, resume = spec["podFailurePolicy"]["rules"]
    assert {disrupted["action"], resume["action"]} == {"Ignore"}
    assert disrupted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert resume["onExitCodes"] == {"containerName": "trainer", "operator": "In", "values": [75]}
    assert spec["template"]["spec"]["containers"][0]["name"] == "trainer"


def test_one_worker_with_an_index():
    spec = JOB["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 1, 1)
