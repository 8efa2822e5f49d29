"""Which cluster of this machine this is: a number that one process holds by a lock."""

from __future__ import annotations

import fcntl
import ipaddress
import os
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from cluster import leftovers

SLOTS = 16
ADDRESSES = ipaddress.ip_network("198.18.0.0/15")  # RFC 2544: for tests, routed nowhere
FOLDER = Path(f"/var/tmp/perdure-clusters-{os.geteuid()}")
MARK = "PERDURE_TEST_CLUSTER"


@dataclass(frozen=True)
class Slot:
    """The names and addresses of one cluster."""

    number: int

    @property
    def folder(self) -> Path:
        """Everything that the cluster writes."""
        return FOLDER / str(self.number)

    @property
    def logs(self) -> Path:
        """One file per component; they stay until the slot is taken again."""
        return self.folder / "logs"

    @property
    def environment(self) -> dict[str, str]:
        """The mark by which a process of this cluster is found."""
        return {MARK: str(self.folder)}

    @property
    def prefix(self) -> str:
        """How the cluster's bridges are named; a name of an interface has 15 characters."""
        return f"pdt{self.number}-"

    @property
    def cgroup(self) -> str:
        """How the cluster's cgroups are named."""
        return f"perdure-test-{self.number}-"

    def network(self, index: int) -> ipaddress.IPv4Network:
        """The addresses of Services (0) or of the pods of node `index`, from 1."""
        assert isinstance(ADDRESSES, ipaddress.IPv4Network)
        return list(ADDRESSES.subnets(new_prefix=24))[self.number * 16 + index]

    def host(self, index: int) -> str:
        """This machine's address in that network."""
        return str(self.network(index)[1])


class Claim:
    """A slot held by this process; what the slot's last holder left behind is removed.

    The lock ends with the process, however it ends.
    """

    def __init__(self) -> None:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        with (FOLDER / "claim.lock").open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            self.slot, self._lock = _claim()
        self.slot.logs.mkdir(parents=True)

    def release(self) -> None:
        """Remove the cluster, but for its logs, and let others have the slot."""
        leftovers.remove(self.slot, keep=self.slot.logs)
        self._lock.close()


def _claim() -> tuple[Slot, TextIOWrapper]:
    """A slot and its lock; nothing is left behind in any slot that nobody holds."""
    held = _free()
    for slot, _ in held:
        leftovers.remove(slot)
    if not held:
        raise RuntimeError(
            f"expected at most {SLOTS} clusters at once on this machine; "
            f"all are in use, see {FOLDER}"
        )
    first, *others = held
    for _, lock in others:
        lock.close()
    return first


def _free() -> list[tuple[Slot, TextIOWrapper]]:
    """The slots that no living process holds, each locked."""
    free = []
    for number in range(SLOTS):
        lock = (FOLDER / f"{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            free.append((Slot(number), lock))
    return free
