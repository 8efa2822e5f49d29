"""`make cluster` and `make cluster-down`: a cluster that stays until it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
from go_programs import NotBuildable
from s3_server import credentials

from cluster.access import kubectl_command
from cluster.cluster import Cluster
from cluster.processes import wait_for
from cluster.slots import FOLDER

SERVING = FOLDER / "serving.json"
LOG = FOLDER / "serving.log"


@click.group()
def main() -> None:
    """A Kubernetes cluster on this machine, of the same parts as in the tests."""


@main.command()
@click.option("--nodes", default=2, show_default=True, help="0: the control plane alone.")
def up(nodes: int) -> None:
    """Start it, unless it runs, and say how to reach it."""
    if not _serves():
        _launch(nodes)
    elif _facts()["nodes"] != str(nodes):
        raise click.ClickException(
            f"expected to start {nodes} nodes, but a cluster with {_facts()['nodes']} runs; "
            "stop it first: make cluster-down"
        )
    click.echo(_facts()["shell"])


@main.command()
def down() -> None:
    """Stop it and remove what it made."""
    if not _serves():
        click.echo("no cluster runs that `make cluster` has started")
        return
    pid = int(_facts()["pid"])
    os.kill(pid, signal.SIGTERM)
    wait_for(f"the process {pid} to end", lambda: not Path(f"/proc/{pid}").exists())


@main.command(hidden=True)
@click.option("--nodes", type=int, required=True)
def serve(nodes: int) -> None:
    """Hold the cluster until a signal comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        with Cluster(nodes, ["operator", "trainer", "example"]) as cluster:
            facts = {"pid": str(os.getpid()), "nodes": str(nodes), "shell": _shell(cluster)}
            SERVING.write_text(json.dumps(facts))
            signal.pause()
    except NotBuildable as error:
        raise click.ClickException(str(error)) from error
    finally:
        SERVING.unlink(missing_ok=True)


def _shell(cluster: Cluster) -> str:
    """Lines for a shell: how kubectl and an S3 client reach the cluster."""
    variables = {**cluster.admin.environment, **credentials(cluster.s3.url)}
    return "\n".join([
        *(f"export {name}={value}" for name, value in variables.items()),
        f"alias kubectl='{' '.join(kubectl_command())}'",
        f"# the API server is {cluster.control_plane.server}, logs are in {cluster.slot.logs}",
        *(f"# image {image}" for image in cluster.images.values()),
        f"# PERDURE_STORE=s3://{cluster.s3.make_bucket()}",
    ])  # fmt: skip


def _launch(nodes: int) -> None:
    """Start the process that holds the cluster, and wait until it serves."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, "-m", "cluster", "serve", "--nodes", str(nodes)]
    with LOG.open("wb") as log:
        holder = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    wait_for("the cluster to start", lambda: _serves() or holder.poll() is not None, 1800)
    if holder.poll() is not None:
        raise click.ClickException(f"the cluster did not start:\n{LOG.read_text()[-3000:]}")


def _serves() -> bool:
    """Whether the process lives that wrote the facts."""
    return SERVING.exists() and Path(f"/proc/{_facts()['pid']}").exists()


def _facts() -> dict[str, str]:
    facts: dict[str, str] = json.loads(SERVING.read_text())
    return facts


if __name__ == "__main__":
    main()
