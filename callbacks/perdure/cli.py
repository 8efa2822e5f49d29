"""The `perdure` command. Its verbs on checkpoints are here; the operator's package adds its own."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from typing import Any

import click

from perdure.contract.environment import STORE, Job
from perdure.contract.exits import ExitCode

ENTRY_POINTS = "perdure.commands"


class _Commands(click.Group):
    """The group with the commands of installed packages, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_entry_points()})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = super().get_command(ctx, name)
        if own is not None or name not in _entry_points():
            return own
        command: click.Command = _entry_points()[name].load()
        return command


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="perdure")
def main() -> None:
    """Keras training that outlives its process."""


@main.group()
def checkpoints() -> None:
    """What a job has saved."""


def _say(message: str) -> None:
    click.echo(message, err=True)


def _lineage(store: str, job: str, on_damage: Callable[[str], None] = _say) -> Any:
    """Open a lineage for reading; nothing is written and no process is fenced."""
    from perdure.lineage.lineage import Lineage
    from perdure.store import open_store

    try:
        lineage = Lineage(open_store(store), Job.parse(job), 0, on_damage)
    except ValueError as error:
        raise _Refusal(str(error)) from error
    if not lineage.exists:
        raise _Refusal(
            f"job: expected a lineage in {store}. Received: {job}, of which there is none."
        )
    return lineage


class _Refusal(click.ClickException):
    exit_code = ExitCode.REFUSED


class _Unreachable(click.ClickException):
    exit_code = ExitCode.STORE_UNREACHABLE


class _OnStore(click.Command):
    """A command whose failures of the store are sentences with the contract's exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        from perdure.store import StoreError, Unavailable

        try:
            return super().invoke(ctx)
        except Unavailable as error:
            raise _Unreachable(str(error)) from error
        except StoreError as error:
            raise _Refusal(str(error)) from error


_store = click.option(
    "--store", envvar=STORE, required=True, help="s3://bucket/prefix or file:///folder."
)
_job = click.option("--job", required=True, help="namespace/name/run.")


@checkpoints.command("list", cls=_OnStore)
@_store
@_job
def list_checkpoints(store: str, job: str) -> None:
    """List the checkpoints of a job, oldest first."""
    lineage = _lineage(store, job)
    for number, kind, checkpoint in lineage.saved():
        cursor = checkpoint.cursor
        click.echo(
            f"{number:8d}  {kind:10s}  step {checkpoint.step:<8d} fit {cursor.fit} epoch {cursor.epoch} "
            f"batch {cursor.batch}  {checkpoint.bytes} bytes"
        )


@checkpoints.command(cls=_OnStore)
@_store
@_job
def verify(store: str, job: str) -> None:
    """Read every byte of every checkpoint; exit code 1 if one is damaged."""
    damaged_records: list[str] = []
    lineage = _lineage(store, job, damaged_records.append)
    damaged = 0
    for number, kind, checkpoint in lineage.saved():
        problem = lineage.damage(checkpoint)
        damaged += problem is not None
        click.echo(f"{number:8d}  {kind:10s}  {problem or 'intact'}")
    for message in damaged_records:
        _say(message)
    raise SystemExit(1 if damaged or damaged_records else 0)


@checkpoints.command(cls=_OnStore)
@_store
@_job
def results(store: str, job: str) -> None:
    """Print, as JSON, what every finished fit ended with: History, and the digest of every tensor."""
    from perdure.lineage.lineage import fit_digest

    lineage = _lineage(store, job)
    fits = [
        {
            "fit": checkpoint.cursor.fit,
            "steps": checkpoint.step,
            "digest": fit_digest(checkpoint),
            "history": _plain(checkpoint.state["history"], checkpoint),
            "tensors": _digests(checkpoint),
        }
        for checkpoint in lineage.ends_of_fits()
    ]
    click.echo(json.dumps({"job": job, "finished": lineage.is_finished, "fits": fits}))


def _digests(checkpoint: Any) -> list[dict[str, Any]]:
    """The tensors that a result consists of; streams and callback states are means, not results."""
    entries = [entry for entry in checkpoint.tensors if entry.group in ("model", "optimizer")]
    return [
        {
            "group": entry.group, "index": index, "path": entry.path, "dtype": entry.dtype,
            "shape": list(entry.shape), "digest": entry.checksum,
        }
        for index, entry in enumerate(entries)
    ]  # fmt: skip


def _plain(history: Any, checkpoint: Any) -> Any:
    """History for a reader: what JSON has no number for is a string, an array its digest."""
    if isinstance(history, list):
        return [_plain(item, checkpoint) for item in history]
    if not isinstance(history, dict):
        return history
    if "$array" in history:
        places = [e.checksum for e in checkpoint.tensors if e.group == "state"]
        return f"array {places[history['$array']]}"
    special = history.get("$float") or history.get("$scalar")
    return str(special) if special else {k: _plain(v, checkpoint) for k, v in history.items()}
