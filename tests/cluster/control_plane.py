"""The control plane: etcd, the API server, the controllers and the scheduler, each a process."""

from __future__ import annotations

import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping

from s3_server import free_port

from cluster.access import Access, CommandFailed
from cluster.certificates import Authority, Pair
from cluster.components import Components
from cluster.processes import Process, wait_for
from cluster.slots import Slot

LOOPBACK = "127.0.0.1"
NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
ORDER = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class ControlPlane:
    """Starts and stops the components; each can be killed and started again by itself.

    Args:
        slot: whose folder it writes into.
        address: where the API server listens. At the first address of the Services' range pods
            reach it as the Service `kubernetes` without any kube-proxy.
        port: 443 there, so that the Service's port is the server's.
    """

    def __init__(self, slot: Slot, address: str = LOOPBACK, port: int | None = None) -> None:
        self.slot, self.address, self.port = slot, address, port or free_port(address)
        self.pki = slot.folder / "pki"
        self.pki.mkdir(mode=0o700)
        self.authority = Authority(self.pki)
        self._write_pki()
        self.admin = self._administrator()
        self.components = self._components()

    def start(self) -> ControlPlane:
        """Start everything; returns when the API server is ready and `default` can hold pods."""
        for name in ORDER:
            self.components[name].start()
        self._wait_namespace("default")
        return self

    def stop(self) -> None:
        """Stop everything, the last started first."""
        for name in reversed(ORDER):
            self.components[name].stop()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.port}"

    def user(self, name: str, *groups: str) -> Access:
        """A user who is known by a certificate and may do what RBAC grants."""
        return self._access(name, pair=self.authority.client(name, groups))

    def service_account(self, namespace: str, name: str) -> Access:
        """A ServiceAccount that exists, known by a token as its pods have one."""
        token = self.admin.kubectl("create", "token", name, "-n", namespace, "--duration=24h")
        return self._access(f"{namespace}-{name}", token=token.strip())

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Make a namespace, ready to hold pods; its name."""
        metadata = {"name": name, "labels": {**(labels or {})}}
        self.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self._wait_namespace(name)
        return name

    def _wait_namespace(self, name: str) -> None:
        """Wait for what a pod in it gets: its ServiceAccount and the authority's certificate."""

        def holds_pods() -> bool:
            try:
                self.admin.kubectl("get", "-n", name, "sa/default", "cm/kube-root-ca.crt")
            except CommandFailed:
                return False
            return True

        wait_for(f"the namespace {name} to have a ServiceAccount", holds_pods)

    def _write_pki(self) -> None:
        self.authority.server("kube-apiserver", NAMES, [self.address, self.slot.host(0), LOOPBACK])
        self.authority.client("kubelet-client", ["system:masters"])
        self.authority.key("service-accounts")

    def _administrator(self) -> Access:
        token, file = secrets.token_hex(32), self.pki / "tokens.csv"
        file.touch(mode=0o600)
        file.write_text(f'{token},admin,admin,"system:masters"\n')
        return self._access("admin", token=token)

    def _access(self, name: str, *, token: str | None = None, pair: Pair | None = None) -> Access:
        file = self.slot.folder / f"{name.replace(':', '-')}.kubeconfig"
        return Access(self.server, self.authority.certificate, file, token, pair).write()

    def _components(self) -> dict[str, Process]:
        etcd = (f"http://{LOOPBACK}:{free_port()}", f"http://{LOOPBACK}:{free_port()}")
        components = Components(self.slot, self.address, self.port, etcd, self.admin.kubeconfig)
        ready = {
            "etcd": lambda: answers(f"{etcd[0]}/health"),
            "kube-apiserver": lambda: answers(f"{self.server}/readyz", self.admin),
        }
        return {
            name: Process(
                name,
                components.command(name),
                self.slot.logs / f"{name}.log",
                self.slot.environment,
                ready.get(name, lambda: True),
            )
            for name in ORDER
        }


def answers(url: str, access: Access | None = None) -> bool:
    """Whether `url` answers with success, asked as `access`."""
    request = urllib.request.Request(url)
    context = None
    if access is not None:
        context = ssl.create_default_context(cafile=str(access.authority))
        request.add_header("Authorization", f"Bearer {access.token}")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        opener.open(request, timeout=5).close()
    except urllib.error.HTTPError as refused:
        refused.close()
        return False
    except OSError:
        return False
    return True
