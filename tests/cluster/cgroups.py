"""A cgroup root for each node, so that one kubelet leaves the other's pods alone.

Used with cgroup v1, where each controller is a hierarchy, and with cgroup v2.
"""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from pathlib import Path

from cluster.processes import wait_for

V2_CONTROLLERS = "+cpuset +cpu +io +memory +pids"


def _hierarchies() -> list[Path]:
    """Where the controllers are mounted: of cgroup v1, else the one of v2."""
    return _mounted("cgroup") or _mounted("cgroup2")


def _mounted(kind: str) -> list[Path]:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(each[1]) for each in mounts if each[2] == kind]


def make(name: str) -> None:
    """Make the cgroup in every hierarchy, ready for a kubelet to make its own below."""
    for hierarchy in _hierarchies():
        if (hierarchy / "cgroup.subtree_control").exists():
            (hierarchy / "cgroup.subtree_control").write_text(V2_CONTROLLERS)
        (hierarchy / name).mkdir()
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / setting).exists():  # v1 alone: empty in a new cgroup
                (hierarchy / name / setting).write_text((hierarchy / setting).read_text())


def remove(prefix: str) -> None:
    """Kill what runs in the cgroups whose names begin so, and remove them."""
    for hierarchy in _mounted("cgroup") + _mounted("cgroup2"):  # runc uses both where both are
        for root in hierarchy.glob(f"{prefix}*"):
            wait_for(f"the cgroup {root} to be empty", partial(_is_empty, root))
            for folder in sorted(root.glob("**/"), reverse=True):
                folder.rmdir()


def _is_empty(root: Path) -> bool:
    """Kill every process in the cgroup; whether there was none."""
    found = [
        int(pid) for file in root.rglob("cgroup.procs") for pid in file.read_text().splitlines()
    ]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not found
