"""A TrainingJob on a cluster, seen as a user sees it, and disturbed as a cluster disturbs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.access import Access, CommandFailed, kubectl_command
from cluster.processes import wait_for

TERMINAL = {"Succeeded", "Failed", "Stopped"}


@dataclass(frozen=True)
class Training:
    """The TrainingJob `name`, looked at with kubectl."""

    access: Access
    namespace: str
    name: str

    def apply(self, spec: dict[str, Any]) -> None:
        """`kubectl apply` of the manifest."""
        self.access.apply({
            "apiVersion": "perdure.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": spec,
        })  # fmt: skip

    def patch(self, **spec: Any) -> None:
        """Change fields of the spec."""
        patch = json.dumps({"spec": spec})
        self._kubectl("patch", "tj", self.name, "--type=merge", "-p", patch)

    def request(self, **request: Any) -> None:
        """Ask the running trainer for something."""
        text = f"perdure.dev/request={json.dumps(request)}"
        self._kubectl("annotate", "tj", self.name, "--overwrite", text)

    @property
    def status(self) -> dict[str, Any]:
        """The status as it is now."""
        status: dict[str, Any] = self.access.get("tj", self.name, "-n", self.namespace).get(
            "status", {}
        )
        return status

    def condition(self, kind: str) -> dict[str, Any] | None:
        """The condition of that type, if it is there."""
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), None)

    def wait(
        self, what: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 120
    ) -> dict[str, Any]:
        """Wait until `holds` is true of the status; returns the status."""
        try:
            wait_for(f"{self.name} to {what}", lambda: holds(self.status), seconds)
        except Exception as error:
            raise AssertionError(f"{error}\n{self.describe()}") from error
        return self.status

    def wait_end(self, seconds: float = 600) -> dict[str, Any]:
        """Wait for a terminal phase."""
        return self.wait("end", lambda status: status.get("phase") in TERMINAL, seconds)

    def wait_steps(self, more: int, seconds: float = 180) -> int:
        """Wait until it has trained `more` steps beyond what the status says now."""
        least = self.step + more
        self.wait(f"reach step {least}", lambda status: step_of(status) >= least, seconds)
        return self.step

    @property
    def step(self) -> int:
        """The step in the status."""
        return step_of(self.status)

    def pods(self) -> list[dict[str, Any]]:
        """Its pods, the newest first."""
        selector = f"perdure.dev/job={self.name}"
        items = self.access.get("pods", "-n", self.namespace, "-l", selector)["items"]
        return sorted(items, key=lambda pod: pod["metadata"]["creationTimestamp"], reverse=True)

    def running_pod(self, seconds: float = 120) -> str:
        """The name of the pod that trains; waits for it."""
        wait_for(f"a pod of {self.name} to run", lambda: bool(self._running()), seconds)
        return self._running()[0]

    def next_running_pod(self, known: str | None, seconds: float = 120) -> str:
        """The name of the pod that trains and is another one than `known`; waits for it."""
        what = f"a pod of {self.name} after {known} to run"
        wait_for(what, lambda: bool(set(self._running()) - {known}), seconds)
        return next(name for name in self._running() if name != known)

    def _running(self) -> list[str]:
        return [
            pod["metadata"]["name"]
            for pod in self.pods()
            if pod.get("status", {}).get("phase") == "Running"
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def evict(self, pod: str) -> None:
        """Evict the pod through the Eviction API, as a drain or a scale-down does."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        self.access.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))

    def force_delete(self, pod: str) -> None:
        """Delete the pod without grace."""
        self._kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    def node_of(self, pod: str) -> str:
        """The node that the pod is on."""
        return str(self.access.get("pod", pod, "-n", self.namespace)["spec"]["nodeName"])

    def describe(self) -> str:
        """All that a failed test should show."""
        parts = [
            self._said("get", "tj", self.name, "-o", "yaml"),
            self._said("get", "jobs,pods", "-o", "wide"),
        ]
        for pod in self.pods()[:2]:
            parts.append(self._said("logs", pod["metadata"]["name"], "--tail=30"))
        return "\n".join(parts)

    def _said(self, *arguments: str) -> str:
        try:
            return self._kubectl(*arguments)
        except CommandFailed as error:
            return str(error)

    def _kubectl(self, *arguments: str) -> str:
        return self.access.kubectl(*arguments, "-n", self.namespace)


def step_of(status: dict[str, Any]) -> int:
    """The step in a status."""
    step: int = status.get("progress", {}).get("step", 0)
    return step


class Watch:
    """`kubectl get RESOURCE --watch` into a file, for as long as the block lasts."""

    def __init__(self, access: Access, log: Path, *arguments: str) -> None:
        self._command = [*kubectl_command(), "get", *arguments, "--watch"]
        self._environment = access.environment
        self.log = log

    def __enter__(self) -> Watch:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env={**os.environ, **self._environment}, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def documents(self) -> list[dict[str, Any]]:
        """What was printed with `-o json`, one object after the other."""
        text, decoder, found = self.log.read_text(), json.JSONDecoder(), []
        position = 0
        while (position := _next_object(text, position)) >= 0:
            try:
                document, position = decoder.raw_decode(text, position)
            except json.JSONDecodeError:
                break  # the last one, cut off when the watch was ended
            found.append(document)
        return found


def _next_object(text: str, position: int) -> int:
    return text.find("{", position)
