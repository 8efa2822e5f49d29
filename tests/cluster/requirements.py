"""What nodes need of the machine, beside Go."""

from __future__ import annotations

import os
import shutil

from go_programs import NotBuildable

from cluster.network import PLUGINS

NEEDED = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    str(PLUGINS / "bridge"): "containernetworking-plugins",
    "pkg-config": "pkg-config",
    "mount": "mount",
}


def check() -> None:
    """See whether nodes can run here.

    Raises:
        NotBuildable: something is missing; the message says what to install.
    """
    if os.geteuid() != 0:
        raise NotBuildable("nodes need root: expected user 0, run these tests as root")
    missing = sorted({package for name, package in NEEDED.items() if shutil.which(name) is None})
    if missing:
        raise NotBuildable(f"nodes need Debian's {' '.join(missing)}: run .ci/packages")
