"""By which change of the spec a Job is known to be made from another one."""

from __future__ import annotations

import pytest

from perdure_operator.build.job import pod_spec
from perdure_operator.model.job import Spec

GIVEN = {"image": "digits:1", "command": ["python", "train.py"], "labels": {"a": "1", "b": "2"}}


def digest(**fields):
    return pod_spec(Spec.model_validate(GIVEN | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"image": "digits:2"},
        {"command": ["python", "other.py"]},
        {"runAsUser": 1000},
        {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
        {"tolerations": [{"operator": "Exists"}]},
        {"imagePullSecrets": [{"name": "registry"}]},
        {"checkpoint": {"credentialsSecret": "store"}},
        {"terminationGracePeriodSeconds": 60},
        {"callbacks": [{"name": "EarlyStopping"}]},
    ],
)
def test_what_reaches_the_pod_counts(fields):
    assert digest(**fields) != digest()


@pytest.mark.parametrize(
    "fields",
    [
        {"run": "2"},
        {"suspend": True},
        {"retries": {"failures": 9}},
        {"activeDeadlineSeconds": 60},
        {"ttlSecondsAfterFinished": 60},
        {"workers": 1},
        {"labels": {"b": "2", "a": "1"}},
    ],
)
def test_what_does_not_reach_the_pod_or_says_the_same_counts_not(fields):
    assert digest(**fields) == digest()
