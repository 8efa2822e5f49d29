"""The command line of each component of the control plane."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import go_programs

from cluster.slots import Slot


@dataclass(frozen=True)
class Components:
    """What the components must agree on.

    Args:
        slot: whose folder they write into.
        address: where the API server listens, with its `port`.
        etcd: etcd's URLs, for clients and for other members.
        kubeconfig: of the controllers and the scheduler.
    """

    slot: Slot
    address: str
    port: int
    etcd: tuple[str, str]
    kubeconfig: Path

    @property
    def pki(self) -> Path:
        """The folder of certificates, keys and tokens."""
        return self.slot.folder / "pki"

    def command(self, name: str) -> list[str]:
        """The command that starts component `name`."""
        flags = {
            "etcd": self._etcd,
            "kube-apiserver": self._apiserver,
            "kube-controller-manager": self._controller_manager,
            "kube-scheduler": self._scheduler,
        }[name]()
        return [
            str(go_programs.program("kubernetes")),
            name,
            *(f"--{flag}={value}" for flag, value in flags.items()),
        ]

    def _etcd(self) -> dict[str, object]:
        client, peer = self.etcd
        return {"data-dir": self.slot.folder / "etcd", "client-url": client, "peer-url": peer}

    def _apiserver(self) -> dict[str, object]:
        pki = self.pki
        return {
            "etcd-servers": self.etcd[0],
            "bind-address": self.address,
            "advertise-address": self.address,
            "secure-port": self.port,
            "tls-cert-file": pki / "kube-apiserver.crt",
            "tls-private-key-file": pki / "kube-apiserver.key",
            "client-ca-file": pki / "ca.crt",
            "token-auth-file": pki / "tokens.csv",
            "kubelet-certificate-authority": pki / "ca.crt",
            "kubelet-client-certificate": pki / "kubelet-client.crt",
            "kubelet-client-key": pki / "kubelet-client.key",
            "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": pki / "service-accounts.key",
            "service-account-signing-key-file": pki / "service-accounts.key",
            "service-cluster-ip-range": self.slot.network(0),
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
        }

    def _controller_manager(self) -> dict[str, object]:
        return {
            **self._client(),
            "root-ca-file": self.pki / "ca.crt",
            "service-account-private-key-file": self.pki / "service-accounts.key",
            "use-service-account-credentials": "true",
        }

    def _scheduler(self) -> dict[str, object]:
        return self._client()

    def _client(self) -> dict[str, object]:
        """No port of their own: they listen nowhere."""
        return {"kubeconfig": self.kubeconfig, "leader-elect": "false", "secure-port": 0}
