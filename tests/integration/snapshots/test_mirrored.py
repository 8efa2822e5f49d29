"""Variables under a strategy with two replicas are read and put back on each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[2] / "programs" / "mirrored.py"


def test_each_replica_is_read_held_and_restored():
    """In a process of its own: devices are decided on before TensorFlow starts."""
    ended = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    found = json.loads(ended.stdout.splitlines()[-1])
    for name in ("Variable:0", "moving_mean", "mean_absolute_error/total", "kernel"):
        assert any(name in path for path in found["second"])
    assert found["trained"], "the steps wrote nothing"
    assert found["held"], "a value of the snapshot changed while it was held"
    assert found["mismatch"] is None
    assert found["restored"]
