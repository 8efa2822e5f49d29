"""A whole cluster: control plane, nodes and an S3 server that pods reach."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

import s3_server
from s3_server import S3, S3Server

from cluster.access import Access
from cluster.control_plane import LOOPBACK, ControlPlane
from cluster.slots import Claim


class Cluster:
    """Starts on entering; on leaving nothing of it is left on the machine but its logs.

    Args:
        nodes: how many; with 0 it needs no root, and pods stay pending.
    """

    def __init__(self, nodes: int = 2) -> None:
        self._size = nodes

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        claim = Claim()
        stack.callback(claim.release)
        self.slot = claim.slot
        self.control_plane = ControlPlane(self.slot)
        stack.callback(self.control_plane.stop)
        self.control_plane.start()
        self.s3 = self._s3()
        stack.callback(self.s3.stop)
        self.s3.start()

    @property
    def admin(self) -> Access:
        """The cluster's administrator."""
        return self.control_plane.admin

    def bucket(self) -> S3:
        """A fresh bucket, and the environment that leads a process or a pod to it."""
        return S3(self.s3, self.s3.make_bucket())

    def _s3(self) -> S3Server:
        folder = self.slot.folder / "s3"
        folder.mkdir()
        return s3_server.versitygw(folder, host=LOOPBACK, environment=self.slot.environment)
