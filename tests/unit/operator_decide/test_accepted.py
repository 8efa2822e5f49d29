"""What no schema can know of a spec."""

from __future__ import annotations

import pytest
from looks import spec

from perdure_operator.decide.accepted import problem

CLAIM = {"name": "disk", "persistentVolumeClaim": {"claimName": "c"}}
SCRATCH = {"name": "disk", "emptyDir": {}}
MOUNT = [{"name": "disk", "mountPath": "/data"}]


def on(volume, store="file:///data/checkpoints"):
    return {"checkpoint": {"store": store}, "volumes": [volume], "volumeMounts": MOUNT}


@pytest.mark.parametrize(
    ("fields", "default_store", "reason"),
    [
        pytest.param({}, None, None, id="good"),
        pytest.param({"image": None}, None, "ImageMissing", id="no image"),
        pytest.param({"checkpoint": {}}, None, "StoreMissing", id="no store"),
        pytest.param({"checkpoint": {}}, "s3://default", None, id="the installation's store"),
        pytest.param(on(CLAIM), None, None, id="a folder on a claim"),
        pytest.param(on(SCRATCH), None, "StoreLostWithPod", id="a folder on scratch"),
        pytest.param(
            on(CLAIM, "file:///database"), None, "StoreLostWithPod", id="beside the mount"
        ),
        pytest.param(
            {"checkpoint": {}}, "file:///data", "StoreLostWithPod", id="the installation's folder"
        ),
        pytest.param(
            {"retries": {"divergence": {"action": "Rollback"}}}, None, "NotSupported", id="rollback"
        ),
    ],
)
def test_problem(fields, default_store, reason):
    found = problem(spec(**fields), default_store)
    assert (found and found.reason) == reason
    if found:
        assert found.message.startswith("spec.")
        assert "expected" in found.message
        assert "Received" in found.message
