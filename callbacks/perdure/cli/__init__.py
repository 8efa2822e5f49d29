"""The `perdure` command. Its verbs on checkpoints are here; the operator's package adds its own."""

from __future__ import annotations

import importlib.metadata

import click

from perdure.cli.exporting import export
from perdure.cli.ls import ls
from perdure.cli.prune import prune
from perdure.cli.results import results
from perdure.cli.show import show
from perdure.cli.verify import verify

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


for _command in (ls, show, verify, prune, export, results):
    checkpoints.add_command(_command)
