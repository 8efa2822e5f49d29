"""Removes a cluster from the machine: its processes, mounts, bridges, cgroups and files.

The end of a test session does the same as the start after a session that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cluster import cgroups
from cluster.processes import wait_for

if TYPE_CHECKING:
    from cluster.slots import Slot


def remove(slot: Slot, *, keep: Path | None = None) -> None:
    """Remove what belongs to `slot`, but for the folder `keep`."""
    wait_for(f"the processes of {slot.folder} to end", lambda: not _kill_marked(slot))
    cgroups.remove(slot.cgroup)
    _unmount(slot.folder)
    _remove_links(slot.prefix)
    _remove_sockets(slot.folder)
    _remove_outside(slot.folder)
    for each in slot.folder.glob("*"):
        if each != keep:
            shutil.rmtree(each) if each.is_dir() else each.unlink()


def _kill_marked(slot: Slot) -> list[int]:
    """Kill every process that carries the slot's mark; those that were there."""
    marks = {f"{name}={value}".encode() for name, value in slot.environment.items()}
    found = [pid for pid, variables in _environments() if marks & variables]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _environments() -> Iterator[tuple[int, set[bytes]]]:
    """Of each living process that may be looked at."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, or another user's
        yield int(folder.name), set(variables)


def _unmount(folder: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed(mounted):
        if Path(point).is_relative_to(folder):
            subprocess.run(["umount", "--lazy", point], check=True)


def _remove_links(prefix: str) -> None:
    """Remove the bridges; the pods' ends went with their network namespaces."""
    for link in Path("/sys/class/net").glob(f"{prefix}*"):
        subprocess.run(["ip", "link", "delete", link.name], check=True)


def _remove_sockets(folder: Path) -> None:
    """containerd puts its shims' sockets into one folder for all of the machine."""
    for bootstrap in folder.glob("*/state/io.containerd.runtime.v2.task/*/*/bootstrap.json"):
        address = json.loads(bootstrap.read_text())["address"]
        Path(address.removeprefix("unix://")).unlink(missing_ok=True)


def _remove_outside(folder: Path) -> None:
    """The kubelet's links to logs and the CNI library's notes have fixed places."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.readlink().is_relative_to(folder):
            link.unlink()
    for note in Path("/var/lib/cni/results").glob("*"):
        if f'"{folder}/' in note.read_text():
            note.unlink()
