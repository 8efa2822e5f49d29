"""`perdure checkpoints show`: everything of one checkpoint."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from perdure.cli.opening import (
    OnStore,
    job_option,
    json_option,
    lineage_of,
    number_of,
    say,
    store_option,
)
from perdure.cli.tables import print_table, size

if TYPE_CHECKING:
    from perdure.lineage.lineage import Lineage
    from perdure.lineage.records import Checkpoint, Record


@dataclass(frozen=True)
class _Shown:
    """A checkpoint with its record, the start of the process that made it, and who shares its chunks."""

    record: Record
    checkpoint: Checkpoint
    start: dict[str, Any]
    shared_with: dict[str, list[int]]


@click.command(cls=OnStore)
@click.argument("number")
@store_option
@job_option
@json_option
def show(number: str, store: str, job: str, as_json: bool) -> None:
    """Show checkpoint NUMBER, or the newest one: where it stands, what made it, and what is in it."""
    shown = _read(lineage_of(store, job), number)
    if as_json:
        click.echo(json.dumps(_document(shown)))
    else:
        _print(shown)


def _read(lineage: Lineage, text: str) -> _Shown:
    from perdure.lineage.records import Checkpoint

    number = number_of(lineage, text)
    record = lineage.log.read(number)
    checkpoint = Checkpoint.from_record(record)
    start = _start_of(lineage, record)
    names = {chunk.name for chunk in checkpoint.chunks()}
    shared: dict[str, list[int]] = {name: [] for name in names}
    for other, _, saved in lineage.saved():
        for name in {chunk.name for chunk in saved.chunks()} & names:
            if other != number:
                shared[name].append(other)
    return _Shown(record, checkpoint, start, shared)


def _start_of(lineage: Lineage, record: Record) -> dict[str, Any]:
    """What the process began with that made `record`; a checkpoint can be shown without."""
    from perdure.lineage.log import NoStart

    try:
        return {} if record.index.start is None else lineage.start_of(record.index.start)
    except NoStart as error:
        say(str(error))
        return {}


def _document(shown: _Shown) -> dict[str, Any]:
    record, checkpoint = shown.record, shown.checkpoint
    return {
        "number": record.number, "kind": record.kind, "time": record.time, "writer": record.writer,
        "attempt": record.attempt, "step": checkpoint.step, **asdict(checkpoint.cursor),
        "value": checkpoint.value, "parent": checkpoint.parent, "timings": checkpoint.timings,
        "bytes": checkpoint.bytes, "start": shown.start,
        "tensors": [
            {
                "group": e.group, "path": e.path, "dtype": e.dtype, "shape": list(e.shape),
                "bytes": e.length, "checksum": e.checksum,
            }
            for e in checkpoint.tensors
        ],
        "chunks": [
            {
                "name": c.name, "bytes": c.bytes, "stored": c.stored,
                "sharedWith": shown.shared_with[c.name],
            }
            for c in checkpoint.chunks()
        ],
    }  # fmt: skip


def _print(shown: _Shown) -> None:
    record, checkpoint = shown.record, shown.checkpoint
    cursor, timings = checkpoint.cursor, checkpoint.timings
    facts = {
        "record": f"{record.number} ({record.kind}), {record.time}",
        "step": f"{checkpoint.step}: fit {cursor.fit}, epoch {cursor.epoch}, batch {cursor.batch}",
        "value": "-" if checkpoint.value is None else f"{checkpoint.value:g}",
        "parent": "-" if checkpoint.parent is None else str(checkpoint.parent),
        "written by": f"attempt {record.attempt}, writer {record.writer}",
        **{name: f"{seconds:.3f} s" for name, seconds in timings.items()},
        "size": size(checkpoint.bytes),
    }
    for part in ("fixed", "program", "environment"):
        facts |= {
            f"{part}: {name}": str(value) for name, value in shown.start.get(part, {}).items()
        }
    print_table(*facts.items())
    _print_tensors(checkpoint)
    _print_chunks(shown)


def _print_tensors(checkpoint: Checkpoint) -> None:
    for group, entries in groupby(checkpoint.tensors, key=lambda entry: entry.group):
        rows = [(e.path, e.dtype, str(list(e.shape)), size(e.length)) for e in entries]
        click.echo()
        print_table((group, "dtype", "shape", "size"), *rows)


def _print_chunks(shown: _Shown) -> None:
    rows = [
        (c.name, size(c.stored), ", ".join(map(str, shown.shared_with[c.name])) or "-")
        for c in shown.checkpoint.chunks()
    ]
    click.echo()
    print_table(("chunk", "size", "shared with"), *rows)
