"""A test session that was killed: the next one finds a clean machine."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import leftovers
from cluster.slots import FOLDER, Slot

SESSION = """
import sys, time
from cluster.cluster import Cluster
with Cluster(nodes=1) as cluster:
    container = {"name": "main", "image": cluster.image("pause")}
    metadata = {"name": "left", "namespace": "default"}
    spec = {"containers": [container]}
    cluster.admin.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    cluster.admin.kubectl("wait", "pod/left", "--for=condition=Ready", "--timeout=120s")
    print(cluster.slot.number, flush=True)
    time.sleep(600)
"""


def mentions(slot: Slot) -> list[str]:
    """What of the machine bears the slot's names."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found = [line for line in mounts if f"{slot.folder}/" in line]
    found += [str(link) for link in Path("/sys/class/net").glob(f"{slot.prefix}*")]
    found += [str(group) for group in Path("/sys/fs/cgroup").rglob(f"{slot.cgroup}*")]
    found += [str(link) for link in Path("/var/log/containers").glob("left_default_*")]
    return found + [str(left) for left in slot.folder.glob("*")]


@pytest.mark.cluster
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("nodes_possible")
def test_a_killed_session_leaves_nothing_that_the_next_does_not_remove() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION], env=environment, stdout=subprocess.PIPE, text=True
    )
    with session:
        assert session.stdout is not None
        slot = Slot(int(session.stdout.readline()))
        left = mentions(slot)
        assert len(left) > 10, left
        session.send_signal(signal.SIGKILL)
    with (FOLDER / f"{slot.number}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        leftovers.remove(slot)
        assert mentions(slot) == []
