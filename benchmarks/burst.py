"""How fast an operator takes in a burst of jobs: Perdure and Kubeflow's training-operator.

Both in turn on the same API server, each a process of its own, started anew for each burst. A job is
done when its child (Perdure: the Job of the first attempt; Kubeflow: the worker's pod) and its first
status were both seen on a watch. There is no node: pods stay pending. All parts share the machine's
cores, the API server takes most of them: on a busy machine only the ratios say something.

Run it with `python benchmarks/burst.py --jobs 500 --jobs 1000`; it builds Kubernetes and Kubeflow's
operator with Go the first time. The table goes to benchmarks/results/burst.json.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from burst_contenders import CERTIFICATES, KUBEFLOW_BEST, KUBEFLOW_DEFAULTS, PERDURE, Contender
from burst_load import Measured, burst, clean
from cluster.control_plane import ControlPlane
from cluster.slots import Claim

WARM_UP = 20


@dataclass(frozen=True)
class Figure:
    """A row of the table, once per number of jobs."""

    what: str
    unit: str
    of: Callable[[Measured], float]


FIGURES = (
    Figure("rate", "jobs/s", lambda m: m.per_second),
    Figure("half of them done within", "s", lambda m: m.percentile(50)),
    Figure("99 % of them done within", "s", lambda m: m.percentile(99)),
    Figure("CPU of the operator", "s", lambda m: m.cpu_seconds),
    Figure("peak memory of the operator", "MB", lambda m: m.peak_mb),
)


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """A control plane without nodes."""
    claim = Claim()
    try:
        plane = ControlPlane(claim.slot)
        try:
            yield plane.start()
        finally:
            plane.stop()
            shutil.rmtree(CERTIFICATES.parent, ignore_errors=True)
    finally:
        claim.release()


def measure(plane: ControlPlane, contender: Contender, jobs: int) -> Measured:
    """One burst on an operator that was just started and has had a few jobs before."""
    process = contender.start(plane)
    try:
        for count in (WARM_UP, jobs):
            namespace = plane.namespace(f"burst-{uuid.uuid4().hex[:8]}")
            measured = asyncio.run(burst(plane.admin, contender, process, namespace, count))
            asyncio.run(clean(plane.admin, contender, namespace))
    finally:
        process.stop()
    click.echo(
        f"{contender.name}: {jobs} jobs, {measured.per_second:.1f}/s, "
        f"P50 {measured.percentile(50):.2f} s, P99 {measured.percentile(99):.2f} s, "
        f"{measured.cpu_seconds:.1f} s of CPU, {measured.peak_mb:.0f} MB"
    )
    return measured


def rows(jobs: int, ours: list[Measured], peer: list[Measured], name: str) -> Iterator[report.Row]:
    """The table's rows of one burst: the medians of the rounds."""
    for figure in FIGURES:
        a, b = (statistics.median(map(figure.of, all_)) for all_ in (ours, peer))
        yield report.Row(f"{jobs} jobs created: {figure.what}", figure.unit, a, b, name)


@click.command()
@click.option(
    "--jobs", multiple=True, type=click.IntRange(1), default=(500, 1000), show_default=True
)
@click.option("--rounds", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--jobs-at-defaults",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="The burst for Kubeflow's defaults, at which it makes some three jobs a second.",
)
def main(jobs: tuple[int, ...], rounds: int, jobs_at_defaults: int) -> None:
    """Measure and print the table."""
    bursts = [(count, KUBEFLOW_BEST) for count in jobs] + [(jobs_at_defaults, KUBEFLOW_DEFAULTS)]
    table: list[report.Row] = []
    with control_plane() as plane:
        PERDURE.install(plane)
        KUBEFLOW_BEST.install(plane)
        for count, peer in bursts:
            both: tuple[list[Measured], list[Measured]] = ([], [])
            for _ in range(rounds):
                for contender, measured in zip((PERDURE, peer), both, strict=True):
                    measured.append(measure(plane, contender, count))
            table += rows(count, *both, peer.name)
    report.write("burst", table, {"rounds": rounds})


if __name__ == "__main__":
    main()
