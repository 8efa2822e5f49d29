"""A node's container runtime: containerd with its own root, socket and network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import go_programs

from cluster import images
from cluster.network import PLUGINS, pods_network
from cluster.processes import Process
from cluster.slots import Slot

# Nothing outside the node's folder, and nothing that needs CAP_SYS_RESOURCE.
CONFIGURATION = """
version = 3
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{socket}"
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
conf_dir = "{networks}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
Root = "{folder}/runc"
SystemdCgroup = false
"""


class Containerd:
    """The runtime of node `index`.

    Args:
        slot: whose addresses and mark it uses.
        index: of the node, from 1.
        folder: the node's; everything that containerd writes is in it.
    """

    def __init__(self, slot: Slot, index: int, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "containerd.sock"
        networks = folder / "cni"
        networks.mkdir()
        (networks / "pods.conflist").write_text(pods_network(slot, index, folder / "ipam"))
        configuration = folder / "containerd.toml"
        configuration.write_text(self._configuration(networks))
        program = go_programs.program("containerd")
        shim = go_programs.program("containerd-shim-runc-v2")
        self.process = Process(
            f"containerd-{index}",
            [str(program), "--config", str(configuration)],
            slot.logs / f"containerd-{index}.log",
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

    def _configuration(self, networks: Path) -> str:
        return CONFIGURATION.format(
            folder=self.folder,
            socket=self.socket,
            networks=networks,
            plugins=PLUGINS,
            runc=go_programs.program("runc"),
            sandbox=images.name("pause"),
        )
