"""What is known of a TrainingJob, from raw objects."""

from __future__ import annotations

from typing import Any

import pytest
from looks import NOW, SPEC, said

from perdure_operator.cluster.gather import Caches, Unreadable, gather
from perdure_operator.model.times import rfc3339

KEY = ("team", "digits")
LABELS = {"perdure.dev/job": "digits", "perdure.dev/run": "2", "perdure.dev/attempt": "3"}
CREATED = rfc3339(NOW)


class Known:
    """Objects and reports that are as they are given."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self._objects = objects

    def get(self, namespace, name):
        return next(iter(self._objects), None)

    def indexed(self, key):
        return list(self._objects)

    def observe(self, obj):
        raise AssertionError("nothing was written")

    def report(self, pod_uid):
        return (said(step=7), NOW) if pod_uid == "p" else (None, 0.0)

    def silent_since(self, pod_uid):
        return None


def training_job(spec=SPEC, **metadata):
    base = {"name": "digits", "namespace": "team", "uid": "tj", "generation": 2}
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {**base, "resourceVersion": "9", **metadata},
        "spec": spec,
    }


def child(uid: str, owner: tuple[str, str] | None, **fields: Any) -> dict[str, Any]:
    metadata = {"name": uid, "namespace": "team", "uid": uid, "creationTimestamp": CREATED}
    owners = [{"kind": owner[0], "uid": owner[1], "controller": True}] if owner else []
    return {
        "metadata": {
            **metadata,
            "labels": LABELS,
            "resourceVersion": "5",
            "ownerReferences": owners,
        },
        "spec": {"containers": []},
        **fields,
    }


def gathered(job, jobs=(), pods=()):
    return gather(Caches(Known(*job), Known(*jobs), Known(*pods), Known()), KEY, now=NOW)


@pytest.mark.parametrize("job", [[], [training_job(deletionTimestamp=CREATED)]])
def test_what_is_gone_or_going_is_left_alone(job):
    assert gathered(job) is None


def test_a_spec_of_other_rules_is_a_sentence():
    found = gathered([training_job(spec={**SPEC, "workers": 0})])
    assert isinstance(found, Unreadable)
    assert found.generation == 2
    assert "spec.workers: expected" in found.problem.message


def test_the_children():
    over = {"conditions": [{"type": "Failed", "status": "True", "message": "backoff"}]}
    jobs = [
        child("mine", ("TrainingJob", "tj"), spec={"suspend": True}),
        child("earlier", ("TrainingJob", "before"), status=over),
    ]
    pods = [
        child("p", ("Job", "mine")),
        child("q", ("Job", "earlier")),
        child("r", ("ReplicaSet", "x")),
        child("s", None),
    ]
    found = gathered([training_job()], jobs, pods)
    mine, earlier = found.jobs
    assert (mine.ours, mine.suspended, mine.finished) == (True, True, None)
    assert (mine.attempt, mine.run, mine.resource_version, mine.created) == (3, "2", "5", NOW)
    assert (earlier.ours, earlier.suspended, earlier.finished.reason) == (False, False, "Failed")
    assert [(pod.uid, pod.ours) for pod in found.pods] == [("p", True), ("q", False)]
    assert found.pods[0].report.step == 7
    assert found.pods[1].report is None


def test_annotations():
    applied = '{"spec": {"imagePolicy": "Always"}}'
    annotations = {
        "perdure.dev/request": "{}",
        "kubectl.kubernetes.io/last-applied-configuration": applied,
    }
    found = gathered([training_job(annotations=annotations)])
    assert found.request == "{}"
    assert any("imagePolicy" in sentence for sentence in found.ignored_fields)
