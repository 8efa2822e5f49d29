"""What all commands on checkpoints share: their options, their refusals, and a lineage to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from perdure.contract.environment import STORE, Job
from perdure.contract.exits import ExitCode

if TYPE_CHECKING:
    from perdure.lineage.lineage import Lineage
    from perdure.store import Store

NEWEST = "newest"


class Refusal(click.ClickException):
    """What can never work as it was asked for."""

    exit_code = ExitCode.REFUSED


class TryAgain(click.ClickException):
    """Somebody else was quicker; nothing was changed."""

    exit_code = ExitCode.RESUME


class _Unreachable(click.ClickException):
    exit_code = ExitCode.STORE_UNREACHABLE


class _Unreadable(click.ClickException):
    exit_code = 1


class OnStore(click.Command):
    """A command whose failures of the store are sentences with the contract's exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        from perdure.lineage.table import Damaged
        from perdure.store import StoreError, Unavailable

        try:
            return super().invoke(ctx)
        except Unavailable as error:
            raise _Unreachable(str(error)) from error
        except StoreError as error:
            raise Refusal(str(error)) from error
        except Damaged as error:
            raise _Unreadable(f"{error}; `perdure checkpoints verify` names all damages") from error


store_option = click.option(
    "--store", envvar=STORE, required=True, help="s3://bucket/prefix or file:///folder."
)
job_option = click.option("--job", required=True, help="namespace/name/run.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def say(message: str) -> None:
    """Tell the person, beside what is printed for a program."""
    click.echo(message, err=True)


def opened(url: str) -> Store:
    """The store at `url`.

    Raises:
        Refusal: there is no such kind of store.
    """
    from perdure.store import open_store

    try:
        return open_store(url)
    except ValueError as error:
        raise Refusal(str(error)) from error


def lineage_of(url: str, job: str, on_damage: Callable[[str], None] = say) -> Lineage:
    """Open a lineage for reading; nothing is written and no process is fenced.

    Raises:
        Refusal: there is none.
    """
    from perdure.lineage.lineage import Lineage

    store = opened(url)
    try:
        lineage = Lineage(store, Job.parse(job), 0, on_damage)
    except ValueError as error:
        raise Refusal(str(error)) from error
    if not lineage.exists:
        raise Refusal(f"job: expected a lineage in {url}. Received: {job}, of which there is none.")
    return lineage


def number_of(lineage: Lineage, text: str) -> int:
    """The record that `text` names: a number, or `newest`.

    Raises:
        Refusal: it is none of a checkpoint or an end of a fit.
    """
    index = lineage.log.index
    numbers = sorted((*index.checkpoints, *index.finals))
    if not numbers:
        raise Refusal("checkpoint: expected a lineage with checkpoints. Received: one without any.")
    if text == NEWEST:
        return numbers[-1]
    if not text.isdecimal() or int(text) not in numbers:
        raise Refusal(
            f"checkpoint: expected '{NEWEST}' or one of {', '.join(map(str, numbers))}. Received: {text!r}."
        )
    return int(text)
