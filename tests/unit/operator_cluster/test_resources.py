"""Where objects are."""

from __future__ import annotations

import pytest

from perdure_operator.cluster.resources import JOBS, PODS, TRAINING_JOBS


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("a", "p"), "/api/v1/namespaces/a/pods/p"),
        (JOBS.path("a"), "/apis/batch/v1/namespaces/a/jobs"),
        (
            TRAINING_JOBS.path("a", "j", "status"),
            "/apis/perdure.dev/v1alpha1/namespaces/a/trainingjobs/j/status",
        ),
        (PODS.path("../../x", "y?z"), "/api/v1/namespaces/..%2F..%2Fx/pods/y%3Fz"),
    ],
)
def test_paths(path, expected):
    assert path == expected
