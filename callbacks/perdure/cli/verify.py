"""`perdure checkpoints verify`: whether every byte is what was written."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from perdure.cli.opening import OnStore, job_option, lineage_of, say, store_option

if TYPE_CHECKING:
    from perdure.lineage.lineage import Lineage
    from perdure.lineage.table import Chunk


@click.command(cls=OnStore)
@store_option
@job_option
def verify(store: str, job: str) -> None:
    """Read every byte of every checkpoint; exit code 1 if one is damaged."""
    from perdure.lineage.inventory import stored_bytes
    from perdure.lineage.verification import all_chunks
    from perdure.lineage.verification import verify as verified

    said: list[str] = []
    lineage = lineage_of(store, job, said.append)
    _read_start(lineage, said)
    is_log_damaged = bool(said)
    saved = list(lineage.saved())
    kinds = {number: kind for number, kind, _ in saved}
    checkpoints = {number: checkpoint for number, _, checkpoint in saved}
    with _progress(stored_bytes(all_chunks(checkpoints))) as on_read:
        problems = verified(lineage, checkpoints, on_read)
    for message in dict.fromkeys(said):
        say(message)
    for number, problem in problems.items():
        if number in kinds:
            click.echo(f"{number:8d}  {kinds[number]:10s}  {problem or 'intact'}")
    raise SystemExit(1 if is_log_damaged or any(problems.values()) else 0)


def _read_start(lineage: Lineage, said: list[str]) -> None:
    """Checkpoints are verified also where the start record is lost."""
    from perdure.lineage.log import NoStart

    try:
        lineage.start  # noqa: B018 - reads it
    except NoStart as error:
        said.append(str(error))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Chunk], None]]:
    """A bar of bytes on a terminal; called by several threads."""
    if not sys.stderr.isatty():
        yield lambda _chunk: None
        return
    lock = threading.Lock()
    with click.progressbar(length=total, label="verifying", file=sys.stderr) as bar:

        def on_read(chunk: Chunk) -> None:
            with lock:
                bar.update(chunk.stored)

        yield on_read
