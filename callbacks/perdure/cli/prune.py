"""`perdure checkpoints prune`: delete what no checkpoint needs, and give up checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from perdure.cli.opening import OnStore, Refusal, TryAgain, job_option, lineage_of, store_option
from perdure.cli.tables import size
from perdure.contract.environment import Keep

if TYPE_CHECKING:
    from perdure.lineage.lineage import Lineage
    from perdure.lineage.pruning import Seen, Waste


@click.command(cls=OnStore)
@store_option
@job_option
@click.option("--keep", help="What to keep, such as last=3: the grammar of PERDURE_KEEP.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Give up checkpoints of a lineage that is not finished: a process that trains it is stopped.",
)
@click.option("--dry-run", is_flag=True, help="Only print what would be deleted.")  # fmt: skip
def prune(store: str, job: str, keep: str | None, take_over: bool, dry_run: bool) -> None:
    """Delete what no checkpoint of a job needs; with --keep, give up checkpoints first."""
    from perdure.lineage.log import WriterFenced
    from perdure.lineage.pruning import Overtaken
    from perdure.lineage.table import Damaged

    wanted = None if keep is None else _parsed(keep)
    lineage = lineage_of(store, job)
    try:
        _prune(lineage, wanted, take_over=take_over, dry_run=dry_run)
    except Damaged as error:
        raise Damaged(f"{error}. Nothing was deleted") from error
    except (WriterFenced, Overtaken) as error:
        raise TryAgain(
            f"another process has gone on with {job} meanwhile ({error}). Nothing was deleted; try again."
        ) from error


def _parsed(keep: str) -> Keep:
    try:
        return Keep.parse(keep)
    except ValueError as error:
        raise Refusal(str(error)) from error


def _prune(lineage: Lineage, keep: Keep | None, *, take_over: bool, dry_run: bool) -> None:
    from perdure.lineage.pruning import delete, expired, give_up, look, waste, without

    seen = look(lineage)
    drop = set() if keep is None else expired(seen, keep)
    if drop and not (lineage.is_finished or take_over or dry_run):
        raise Refusal(
            f"prune --keep: expected a finished lineage. Received: one that is not, so a process may be "
            f"training it. It would be stopped: add --take-over if you want that. "
            f"Checkpoints that would be given up: {', '.join(map(str, sorted(drop)))}."
        )
    if dry_run:
        _report(seen, drop, waste(without(seen, drop) if drop else seen), "would be deleted")
        return
    unneeded = waste(give_up(lineage.log, seen, drop, keep) if drop and keep is not None else seen)
    delete(lineage.log, unneeded)
    _report(seen, drop, unneeded, "deleted")


def _report(seen: Seen, drop: set[int], unneeded: Waste, deleted: str) -> None:
    for number in sorted(drop):
        click.echo(f"checkpoint {number} at step {seen.live[number].step} {deleted}")
    for number in sorted({*unneeded.records} - drop):
        click.echo(f"record {number}, given up before, {deleted}")
    count = len(unneeded.chunks)
    click.echo(f"{count} chunk{'' if count == 1 else 's'}, {size(unneeded.bytes)}, {deleted}")
