"""containerd as a process, several of them on one machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import go_programs

from cluster.network import PLUGINS
from cluster.processes import Process
from cluster.slots import Slot

# Nothing outside of its folders, and nothing that needs CAP_SYS_RESOURCE.
CONFIGURATION = """
version = 3
root = "{root}"
state = "{folder}/state"
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[plugins."io.containerd.nri.v1.nri"]
disable = true
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{sandbox}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{folder}/networks"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
Root = "{folder}/runc"
SystemdCgroup = false
"""


class Containerd:
    """One containerd, with everything that it writes in `folder`, and its content in `root`.

    Args:
        name: of its log.
        slot: whose mark its processes carry.
        folder: where it looks for `networks`, the configuration of its pods' network.
        root: made by the first start, where there is none yet.
        sandbox: the image that holds a pod's namespaces.
    """

    def __init__(
        self, name: str, slot: Slot, folder: Path, root: Path, sandbox: str = "none"
    ) -> None:
        self.socket = folder / "containerd.sock"
        configuration = folder / "containerd.toml"
        runc = go_programs.program("runc")
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder, root=root, plugins=PLUGINS, runc=runc, sandbox=sandbox
            )
        )
        program = go_programs.program("containerd")
        shim = go_programs.program("containerd-shim-runc-v2")
        self.process = Process(
            name,
            [str(program), "--config", str(configuration)],
            slot.logs / f"{name}.log",
            {**slot.environment, "PATH": f"{shim.parent}:{os.environ['PATH']}"},
            lambda: self._ctr("version").returncode == 0,
        )

    @property
    def endpoint(self) -> str:
        """Where the kubelet reaches it."""
        return f"unix://{self.socket}"

    def load(self, archive: Path) -> None:
        """Load the images of an archive."""
        loaded = self._ctr("images", "import", str(archive))
        if loaded.returncode != 0:
            raise RuntimeError(f"{archive} could not be loaded: {loaded.stderr}")

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(go_programs.program("ctr")), "--address", str(self.socket)]
        return subprocess.run(
            [*command, "--namespace", "k8s.io", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
