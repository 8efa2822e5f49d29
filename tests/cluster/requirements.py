"""What nodes need of the machine, beside Go."""

from __future__ import annotations

import os
import shutil

from go_programs import NotBuildable

from cluster.network import PLUGINS

PACKAGES = "buildah mmdebstrap containernetworking-plugins libseccomp-dev pkg-config iproute2"


def check() -> None:
    """See whether nodes can run here.

    Raises:
        NotBuildable: something is missing; the message says what to install.
    """
    if os.geteuid() != 0:
        raise NotBuildable("nodes need root: expected user 0, run these tests as root")
    missing = [name for name in ("buildah", "mmdebstrap", "ip") if shutil.which(name) is None]
    missing += [str(file) for file in [PLUGINS / "bridge"] if not file.exists()]
    if missing:
        raise NotBuildable(f"nodes need {', '.join(missing)}: apt-get install {PACKAGES}")
