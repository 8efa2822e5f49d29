"""A real Prometheus as a process of the tests, with our scrape configuration.

Debian's build has no service discovery for Kubernetes. `targets` stands in for it: it writes pods'
targets as that discovery does, with the same labels, so that what follows, the relabelling and the
scrape, is the configuration's own.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import yaml
from s3_server import HOST, free_port

CONFIG = Path(__file__).parents[1] / "deploy/prometheus/prometheus.yml"
INTERVAL_SECONDS = 3  # what answers later is not scraped, and the tests' machine may be busy
Json = dict[str, Any]


class NotInstalled(Exception):
    """There is no Prometheus on this machine; the message says what to install."""


class Prometheus:
    """Scrapes the pods of `discover` every `INTERVAL_SECONDS`, from entering to leaving."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise NotInstalled("a real Prometheus scrapes the run: install Debian's prometheus")
        self._program, self._folder, self._port = program, folder, free_port()
        self._targets = folder / "targets.json"

    def __enter__(self) -> Self:
        self.discover([])
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(self._config()))
        with (self._folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, cwd=self._folder
            )
        self._wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)

    def discover(self, pods: Iterable[Json]) -> None:
        """Scrape these pods from now on."""
        written = self._targets.with_suffix(".new")
        written.write_text(json.dumps([target for pod in pods for target in targets(pod)]))
        written.replace(self._targets)

    def range(self, expr: str, start: float, end: float) -> list[Json]:
        """The series that `expr` gives between two times, every second."""
        step = max(1.0, (end - start) / 5000)
        answer = self._get("query_range", query=expr, start=start, end=end, step=step)
        result: list[Json] = answer["data"]["result"]
        return result

    def _get(self, path: str, **query: Any) -> Any:
        url = f"http://{HOST}:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)

    def _config(self) -> Json:
        config: Json = yaml.safe_load(CONFIG.read_text())
        for job in config["scrape_configs"]:
            del job["kubernetes_sd_configs"]
            job["file_sd_configs"] = [{"files": [str(self._targets)], "refresh_interval": "1s"}]
            job["scrape_interval"] = job["scrape_timeout"] = f"{INTERVAL_SECONDS}s"
        return config

    def _command(self) -> list[str]:
        return [
            self._program,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={HOST}:{self._port}",
            "--log.level=warn",
        ]

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self._get("status/buildinfo")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "prometheus.log").read_text()[-2000:]
                    raise RuntimeError(f"Prometheus did not start:\n{said}") from None
                time.sleep(0.1)
            else:
                return


def targets(pod: Json) -> Iterable[Json]:
    """A target for each port of a pod, as Prometheus' discovery of pods makes them."""
    status, metadata = pod["status"], pod["metadata"]
    if not status.get("podIP"):
        return
    labels = {
        "__meta_kubernetes_namespace": metadata["namespace"],
        "__meta_kubernetes_pod_name": metadata["name"],
        "__meta_kubernetes_pod_phase": status["phase"],
    }
    for key, value in metadata.get("labels", {}).items():
        labels[f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}"] = value
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            yield {
                "targets": [f"{status['podIP']}:{port['containerPort']}"],
                "labels": {
                    **labels,
                    "__meta_kubernetes_pod_container_name": container["name"],
                    "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
                },
            }
