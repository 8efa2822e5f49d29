"""A whole cluster: control plane, nodes and an S3 server that pods reach."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import s3_server
from s3_server import S3, S3Server

from cluster import requirements
from cluster.access import Access
from cluster.control_plane import ControlPlane
from cluster.image_store import ImageStore
from cluster.network import make_bridge
from cluster.node import Node
from cluster.slots import Claim


class Cluster:
    """Starts on entering; on leaving nothing of it is left on the machine but its logs.

    Args:
        nodes: how many; with 0 it needs no root, and pods stay pending.
        targets: of the Dockerfile, whose images are on the nodes; `pause` always is.

    Raises:
        NotBuildable: the machine lacks something; the message says what to install.
    """

    def __init__(self, nodes: int = 2, targets: Sequence[str] = ()) -> None:
        if nodes:
            requirements.check()
        self._size, self._targets = nodes, ("pause", *targets)

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
        self.control_plane = self._control_plane()
        stack.callback(self.control_plane.stop)
        self.control_plane.start()
        self.s3 = self._s3()
        stack.callback(self.s3.stop)
        self.s3.start()
        self.nodes: list[Node] = []
        self.images: dict[str, str] = {}
        if self._size:
            self._start_nodes(stack)

    def _start_nodes(self, stack: ExitStack) -> None:
        store = ImageStore(self.slot)
        stack.callback(store.close)
        self.images = store.add(self._targets)
        for index in range(1, self._size + 1):
            node = Node(self.control_plane, index, store, self.image("pause"))
            stack.callback(node.stop)
            node.start()
            self.nodes.append(node)

    def _control_plane(self) -> ControlPlane:
        """With nodes it listens where their pods look for it, else on loopback."""
        if not self._size:
            return ControlPlane(self.slot)
        make_bridge(self.slot, 0)
        return ControlPlane(self.slot, self.slot.host(0), 443)

    def _s3(self) -> S3Server:
        folder = self.slot.folder / "s3"
        folder.mkdir()
        return s3_server.versitygw(
            folder, host=self.control_plane.address, environment=self.slot.environment
        )

    @property
    def admin(self) -> Access:
        """The cluster's administrator."""
        return self.control_plane.admin

    def node(self, name: str) -> Node:
        """The node that the API server knows as `name`."""
        return next(node for node in self.nodes if node.name == name)

    def bucket(self) -> S3:
        """A fresh bucket, and the environment that leads a process or a pod to it."""
        return S3(self.s3, self.s3.make_bucket())

    def image(self, target: str) -> str:
        """The name of the image that was built from a target of the Dockerfile, or `pause`."""
        return self.images[target]

    def load_image(self, archive: Path) -> None:
        """Load the images of an archive into every node."""
        for node in self.nodes:
            node.containerd.load(archive)
