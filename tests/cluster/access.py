"""One user's way to the API server: a kubeconfig, and what a client without one needs."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import go_programs

from cluster.certificates import Pair


class CommandFailed(Exception):
    """A command ended with an error; the message is what it said."""


@dataclass(frozen=True)
class Access:
    """A user of the cluster, known by a token or by a certificate."""

    server: str
    authority: Path
    kubeconfig: Path
    token: str | None = None
    pair: Pair | None = None

    def write(self) -> Access:
        """Write the kubeconfig, which its owner alone can read."""
        cluster = {"server": self.server, "certificate-authority": str(self.authority)}
        context = {"cluster": "perdure-tests", "user": "user", "namespace": "default"}
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(
            json.dumps({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "perdure-tests", "cluster": cluster}],
                "users": [{"name": "user", "user": self._user()}],
                "contexts": [{"name": "perdure-tests", "context": context}],
                "current-context": "perdure-tests",
            })
        )  # fmt: skip
        return self

    def _user(self) -> dict[str, str]:
        if self.pair is None:
            assert self.token is not None
            return {"token": self.token}
        return {
            "client-certificate": str(self.pair.certificate),
            "client-key": str(self.pair.key),
        }

    @property
    def environment(self) -> dict[str, str]:
        """What leads kubectl, Helm and our own programs to this cluster as this user."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run the real kubectl; what it printed.

        Raises:
            CommandFailed: it ended with an error.
        """
        return self.command([*kubectl_command(), *arguments], stdin=stdin)

    def helm(self, *arguments: str) -> str:
        """Run the real Helm; what it printed.

        Raises:
            CommandFailed: it ended with an error.
        """
        return self.command([str(go_programs.program("helm")), *arguments])

    def command(self, command: list[str], *, stdin: str | None = None) -> str:
        """Run a command as this user; what it printed.

        Raises:
            CommandFailed: it ended with an error.
        """
        ended = subprocess.run(
            command,
            input=stdin,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            said = ended.stderr.strip() or ended.stdout.strip()
            raise CommandFailed(f"{' '.join(command[1:])}: {said}")
        return ended.stdout

    def get(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, *documents: dict[str, Any]) -> None:
        """`kubectl apply` of these objects."""
        objects = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(objects))


def kubectl_command() -> list[str]:
    """How the real kubectl is started."""
    return [str(go_programs.program("kubernetes")), "kubectl"]
