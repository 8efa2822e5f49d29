"""`perdure checkpoints ls`: the checkpoints of a job, or the lineages of a store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from perdure.cli.opening import OnStore, json_option, lineage_of, opened, store_option
from perdure.cli.tables import print_table, size

if TYPE_CHECKING:
    from perdure.lineage.lineage import Lineage


@click.command(cls=OnStore)
@store_option
@click.option("--job", help="namespace/name/run; without it, the lineages in the store are listed.")
@json_option
def ls(store: str, job: str | None, as_json: bool) -> None:
    """List the checkpoints of a job, oldest first, or the lineages in a store."""
    if job is None:
        _list_lineages(store, as_json)
    else:
        _list_checkpoints(store, job, as_json)


def _list_lineages(store: str, as_json: bool) -> None:
    from perdure.lineage.inventory import summaries

    found = summaries(opened(store))
    if as_json:
        click.echo(json.dumps({"lineages": [asdict(summary) for summary in found]}))
        return
    rows = [
        (s.job, s.state, "-" if s.step is None else s.step, s.checkpoints, size(s.bytes))
        for s in found
    ]
    print_table(("lineage", "state", "step", "checkpoints", "size"), *rows)


def _list_checkpoints(store: str, job: str, as_json: bool) -> None:
    lineage = lineage_of(store, job)
    rows = _rows(lineage)
    if as_json:
        document = {"job": job, "finished": lineage.is_finished, "checkpoints": rows}
        click.echo(json.dumps(document))
        return
    header = ("number", "kind", "step", "fit/epoch/batch", "size", "only its own", "time", "value")
    table = [
        (
            row["number"], row["kind"], row["step"], f"{row['fit']}/{row['epoch']}/{row['batch']}",
            size(row["bytes"]), size(row["ownBytes"]), row["time"],
            "-" if row["value"] is None else f"{row['value']:g}",
        )
        for row in rows
    ]  # fmt: skip
    print_table(header, *table)


def _rows(lineage: Lineage) -> list[dict[str, Any]]:
    from perdure.lineage.inventory import sole_bytes

    saved = list(lineage.saved())
    own = sole_bytes({number: checkpoint for number, _, checkpoint in saved})
    return [
        {
            "number": number, "kind": kind, "step": checkpoint.step, **asdict(checkpoint.cursor),
            "bytes": checkpoint.bytes, "ownBytes": own[number], "time": checkpoint.time,
            "value": checkpoint.value,
        }
        for number, kind, checkpoint in saved
    ]  # fmt: skip
