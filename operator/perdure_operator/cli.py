"""`perdure run`: a manifest on this machine, without a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from perdure.contract.exits import ExitCode
from perdure_operator.local.display import Display
from perdure_operator.local.disturbance import Disturbance, Kind
from perdure_operator.local.interrupts import Interrupts
from perdure_operator.local.plan import Plan, make_plan, unused
from perdure_operator.local.prove import prove as prove_identical
from perdure_operator.local.report import exit_code, print_report, print_verdict
from perdure_operator.local.runner import Outcome, run_job
from perdure_operator.model import ManifestError, load

_WIDTH_WITHOUT_TERMINAL = 120
_OPTIONS = {f"--{kind}-after": kind for kind in Kind}


class _Ordered(click.Command):
    """Keeps the order of the disturbances over both options, which click does not."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = (word.partition("=")[0] for word in args)
        ctx.meta["disturbances"] = [_OPTIONS[name] for name in names if name in _OPTIONS]
        return super().parse_args(ctx, args)


def _amounts(
    ctx: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> list[Disturbance]:
    kind = _OPTIONS[parameter.opts[0]]
    try:
        return [Disturbance.parse(kind, value) for value in values]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(cls=_Ordered)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--preempt-after",
    multiple=True,
    metavar="AMOUNT",
    callback=_amounts,
    help="Preempt an attempt (SIGTERM; SIGKILL when its grace is over) after '5s' or '40 steps'.",
)
@click.option(
    "--kill-after",
    multiple=True,
    metavar="AMOUNT",
    callback=_amounts,
    help="Kill an attempt (SIGKILL) after '5s' or '40 steps'.",
)
@click.option(
    "--prove",
    is_flag=True,
    help="Run it undisturbed too, both from the start, and compare weights, optimizer and History.",
)
@click.pass_context
def run(
    ctx: click.Context,
    manifest: Path,
    preempt_after: list[Disturbance],
    kill_after: list[Disturbance],
    prove: bool,
) -> None:
    """Run the TrainingJob of MANIFEST on this machine, without a cluster.

    Disturbances may be given several times and mixed: each is for one attempt, in the order given,
    and counts from where that attempt trains. The exit code is 0 if the job succeeded, 77 if it was
    stopped, 78 if it was refused, else 1.
    """
    disturbances = list(_in_order(ctx, {Kind.PREEMPT: preempt_after, Kind.KILL: kill_after}))
    plan = _plan(manifest)
    console = _console()
    if plan.job.spec.suspend:
        console.print("spec.suspend is true: nothing is run. Set it to false to run the job.")
        ctx.exit(1)
    _say_unused(plan, console)
    ctx.exit(_prove(plan, disturbances, console) if prove else _run(plan, disturbances, console))


def _in_order(ctx: click.Context, given: dict[Kind, list[Disturbance]]) -> Iterator[Disturbance]:
    queues = {kind: iter(disturbances) for kind, disturbances in given.items()}
    return (next(queues[kind]) for kind in ctx.meta["disturbances"])


def _plan(manifest: Path) -> Plan:
    try:
        return make_plan(load(manifest), manifest, os.environ)
    except ManifestError as error:
        click.echo(f"{manifest} cannot be used:", err=True)
        for problem in error.problems:
            click.echo(f"  {problem}", err=True)
        sys.exit(ExitCode.REFUSED)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def _say_unused(plan: Plan, console: Console) -> None:
    fields = unused(plan.job)
    if fields:
        console.print(f"not used on this machine: {', '.join(fields)}", style="dim", soft_wrap=True)


def _attempts(
    plan: Plan, disturbances: Sequence[Disturbance], console: Console, interrupts: Interrupts
) -> Outcome:
    with Display(console) as display:
        display.event(f"job {plan.job.metadata.name}, run {plan.job.spec.run}", "bold")
        outcome = run_job(plan, disturbances, display, interrupts)
    print_report(outcome, console)
    return outcome


def _run(plan: Plan, disturbances: Sequence[Disturbance], console: Console) -> int:
    with Interrupts() as interrupts:
        return exit_code(_attempts(plan, disturbances, console, interrupts))


def _prove(plan: Plan, disturbances: Sequence[Disturbance], console: Console) -> int:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    with Interrupts() as interrupts:
        proof = prove_identical(
            plan,
            stamp,
            disturbances,
            lambda named, disturbed_by: _attempts(named, disturbed_by, console, interrupts),
        )
    print_verdict(proof, console)
    unfinished = [outcome for outcome in proof.runs if not outcome.succeeded]
    return exit_code(unfinished[0]) if unfinished else int(not proof.identical)
