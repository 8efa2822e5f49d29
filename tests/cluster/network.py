"""Bridges of this machine: one for the Services' addresses, one for the pods of each node.

Pods reach each other and this machine, and nothing else: their packets are not masqueraded.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from cluster.slots import Slot

PLUGINS = Path("/usr/lib/cni")  # Debian's containernetworking-plugins


def make_bridge(slot: Slot, index: int) -> str:
    """Make the bridge of network `index`, with this machine's address on it; its name."""
    name, network = f"{slot.prefix}{index}", slot.network(index)
    for command in (
        f"ip link add {name} type bridge",
        f"ip address add {slot.host(index)}/{network.prefixlen} dev {name}",
        f"ip link set {name} up",
    ):
        subprocess.run(command.split(), check=True)
    # this bridge alone: the machine does not become a router for others
    Path(f"/proc/sys/net/ipv4/conf/{name}/forwarding").write_text("1")
    return name


def pods_network(slot: Slot, index: int, folder: Path) -> str:
    """The CNI configuration that joins a pod to the bridge; addresses in use are in `folder`."""
    addresses = {"subnet": str(slot.network(index)), "gateway": slot.host(index)}
    bridge = {
        "type": "bridge",
        "bridge": f"{slot.prefix}{index}",
        "ipam": {
            "type": "host-local",
            "ranges": [[addresses]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(folder),
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]})
