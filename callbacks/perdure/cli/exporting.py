"""`perdure checkpoints export`: a checkpoint as a file for serving."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perdure.cli.opening import (
    NEWEST,
    OnStore,
    Refusal,
    job_option,
    lineage_of,
    number_of,
    say,
    store_option,
)
from perdure.contract.environment import Keep

if TYPE_CHECKING:
    from perdure.lineage.lineage import Lineage
    from perdure.lineage.records import Record

BEST = "best"
SUFFIXES = (".keras", ".weights.h5")


@click.command(cls=OnStore)
@store_option
@job_option
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file: NAME.keras, or NAME.weights.h5 for the weights alone.",
)
@click.option(
    "--checkpoint", default=NEWEST, show_default=True, help="A record's number, newest or best."
)
@click.option("--model", help="module:function that builds the model, instead of the checkpoint.")
@click.option(
    "--import", "modules", multiple=True, help="A module with classes or functions of the model."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")  # fmt: skip
def export(
    *, store: str, job: str, to: Path, checkpoint: str, model: str | None, modules: tuple[str, ...],
    force: bool,
) -> None:  # fmt: skip
    """Write a checkpoint as a file that plain Keras loads: the end of the last fit, where it has ended."""
    _check_target(to, may_be_there=force)
    lineage = lineage_of(store, job)
    record = lineage.log.read(_chosen(lineage, checkpoint))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # a training beside this command needs the memory
    from perdure.export import CannotExport

    try:
        _export(lineage, record, to.absolute(), model, modules)
    except CannotExport as error:
        raise Refusal(str(error)) from error
    except OSError as error:
        raise Refusal(f"--to: expected a file that can be written. Received: {error}.") from error


def _check_target(to: Path, *, may_be_there: bool) -> None:
    if not to.name.endswith(SUFFIXES):
        raise Refusal(
            f"--to: expected a name that ends in .keras (the whole model) or .weights.h5 (its weights). "
            f"Received: {to.name!r}."
        )
    if to.exists() and not may_be_there:
        raise Refusal(f"--to: expected a new file. Received: {to}, which is there. Add --force.")
    if not to.absolute().parent.is_dir():
        raise Refusal(f"--to: expected a file in a folder that is there. Received: {to}.")


def _chosen(lineage: Lineage, text: str) -> int:
    """The record that is asked for."""
    if text != BEST:
        return number_of(lineage, text)
    from perdure.lineage.retention import best
    from perdure.lineage.writer import row_of

    keep = Keep.parse((lineage.start or {}).get("keep", str(Keep())))
    rows = [row_of(number, checkpoint) for number, _, checkpoint in lineage.saved()]
    found = best(rows, keep)
    if not found:
        raise Refusal(
            f"--checkpoint best: expected a lineage that keeps its best checkpoint "
            f"(spec.checkpoint.keep.best, PERDURE_KEEP). Received: one that keeps {keep}, with no value "
            f"of that in any checkpoint."
        )
    return found.pop()


def _export(
    lineage: Lineage, record: Record, to: Path, model: str | None, modules: tuple[str, ...]
) -> None:
    from perdure.export import builder, suffix_of
    from perdure.export import export as exported
    from perdure.lineage.records import Checkpoint, RecordKind

    suffix = suffix_of(to)
    checkpoint = Checkpoint.from_record(record)
    sys.path.insert(0, str(Path.cwd()))  # as for a script that is started here
    objects = _objects_of([*modules, *([model.partition(":")[0]] if model else [])])
    build = _function(model) if model else builder(lineage, checkpoint, suffix, objects)
    is_final = record.kind == RecordKind.FINAL
    done = exported(lineage, checkpoint, build, to, objects, is_final=is_final)
    click.echo(f"{to}: {record.kind} {record.number} at step {checkpoint.step}")
    if "optimizer" not in done.groups:
        say("without the state of an optimizer")
    if done.averages:
        say(f"the weights are {done.averages}")


def _objects_of(modules: list[str]) -> dict[str, Any]:
    """The classes and functions of modules by name; what they register is known to Keras by then."""
    objects: dict[str, Any] = {}
    for name in modules:
        members = vars(_imported(name))
        objects |= {n: value for n, value in members.items() if callable(value) and n[0] != "_"}
    return objects


def _function(name: str) -> Any:
    module, _, attribute = name.partition(":")
    found = getattr(_imported(module), attribute, None) if attribute else None
    if not callable(found):
        raise Refusal(f"--model: expected module:function. Received: {name!r}.")
    return found


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Refusal(
            f"--import, --model: expected a module that can be imported from here. Received: {name!r} "
            f"({error})."
        ) from error
