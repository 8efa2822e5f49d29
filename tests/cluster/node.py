"""A node: a kubelet with its own runtime, bridge, cgroup and folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import go_programs

from cluster import cgroups
from cluster.access import Access, CommandFailed
from cluster.containerd import Containerd
from cluster.control_plane import ControlPlane, answers
from cluster.image_store import ImageStore
from cluster.network import make_bridge, pods_network
from cluster.processes import Process, wait_for

HEALTH_PORT = 10248


class Node:
    """Node `index` of a cluster, from 1.

    Args:
        control_plane: which the kubelet reports to, as `system:node:NAME`.
        index: decides its name, its addresses and its cgroup.
        images: what is on it from the start.
        sandbox: the image among them that holds a pod's namespaces.
    """

    def __init__(
        self, control_plane: ControlPlane, index: int, images: ImageStore, sandbox: str
    ) -> None:
        self.name, self.control_plane, self.index = f"node-{index}", control_plane, index
        self.slot = control_plane.slot
        self.address = self.slot.host(index)
        self.folder = self.slot.folder / self.name
        self.folder.mkdir()
        self.containerd = self._containerd(images, sandbox)
        self.kubelet = self._kubelet()

    def start(self) -> None:
        """Start it, with nothing on it, and wait until pods may run."""
        make_bridge(self.slot, self.index)
        cgroups.make(self._cgroup)
        self.containerd.process.start()
        self.kubelet.start()
        wait_for(f"{self.name} to be ready", self._is_ready)

    def stop(self) -> None:
        """End the kubelet and the runtime; its pods end when the slot is released."""
        self.kubelet.stop()
        self.containerd.process.stop()

    def patch_capacity(self, resources: Mapping[str, str]) -> None:
        """Say that the node has these extended resources, such as `nvidia.com/gpu`."""
        patch = {"status": {"capacity": dict(resources), "allocatable": dict(resources)}}
        self._admin.kubectl(
            "patch", "node", self.name, "--subresource=status", "--type=merge",
            f"--patch={json.dumps(patch)}",
        )  # fmt: skip

    @property
    def _admin(self) -> Access:
        return self.control_plane.admin

    @property
    def _cgroup(self) -> str:
        return f"{self.slot.cgroup}{self.index}"

    def _is_ready(self) -> bool:
        try:
            node = self._admin.get("node", self.name)
        except CommandFailed:
            return False
        conditions = node["status"]["conditions"]
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _containerd(self, images: ImageStore, sandbox: str) -> Containerd:
        root, networks = self.folder / "root", self.folder / "networks"
        images.clone(root)
        networks.mkdir()
        network = pods_network(self.slot, self.index, self.folder / "addresses")
        (networks / "pods.conflist").write_text(network)
        return Containerd(f"containerd-{self.index}", self.slot, self.folder, root, sandbox)

    def _kubelet(self) -> Process:
        access = self.control_plane.user(f"system:node:{self.name}", "system:nodes")
        configuration = self.folder / "kubelet.json"
        configuration.write_text(json.dumps(self._configuration()))
        flags = {
            "config": configuration,
            "kubeconfig": access.kubeconfig,
            "root-dir": self.folder / "kubelet",
            "hostname-override": self.name,
            "node-ip": self.address,
        }
        program = str(go_programs.program("kubernetes"))
        return Process(
            f"kubelet-{self.index}",
            [program, "kubelet", *(f"--{flag}={value}" for flag, value in flags.items())],
            self.slot.logs / f"kubelet-{self.index}.log",
            self.slot.environment,
            lambda: answers(f"http://{self.address}:{HEALTH_PORT}/healthz"),
        )

    def _configuration(self) -> dict[str, object]:
        pair = self.control_plane.authority.server(self.name, [self.name], [self.address])
        resolver = self.folder / "resolv.conf"
        resolver.touch()  # pods resolve no names at all, rather than ask the machine's own servers
        return {
            **_SETTINGS,
            "address": self.address,
            "authentication": _only_by_certificate(self.control_plane.authority.certificate),
            "cgroupRoot": f"/{self._cgroup}",
            "clusterDNS": [self.slot.host(0)],  # where nothing answers; without one each pod warns
            "containerRuntimeEndpoint": self.containerd.endpoint,
            "healthzBindAddress": self.address,
            "healthzPort": HEALTH_PORT,
            "podLogsDir": str(self.folder / "pod-logs"),
            "resolvConf": str(resolver),
            "tlsCertFile": str(pair.certificate),
            "tlsPrivateKeyFile": str(pair.key),
            "volumePluginDir": str(self.folder / "volume-plugins"),
        }


def _only_by_certificate(authority: Path) -> dict[str, object]:
    return {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": False},
        "x509": {"clientCAFile": str(authority)},
    }


_SETTINGS: dict[str, object] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authorization": {"mode": "AlwaysAllow"},  # of those whom the cluster's authority signed for
    "cgroupDriver": "cgroupfs",
    "enforceNodeAllocatable": [],
    "evictionHard": {"memory.available": "100Mi"},  # a full disk of the machine evicts nobody
    "failCgroupV1": False,
    "failSwapOn": False,
    "imageGCHighThresholdPercent": 100,
    "localStorageCapacityIsolation": False,
    "makeIPTablesUtilChains": False,
}
