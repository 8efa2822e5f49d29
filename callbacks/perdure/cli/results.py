"""`perdure checkpoints results`: what a job has come to, for programs."""

from __future__ import annotations

import json
from typing import Any

import click

from perdure.cli.opening import OnStore, job_option, lineage_of, store_option
from perdure.cli.recorded import callback_states, fingerprints


@click.command(cls=OnStore)
@store_option
@job_option
def results(store: str, job: str) -> None:
    """Print, as JSON, what every finished fit ended with: History, and the digest of every tensor.

    With them what `perdure run --prove` compares two runs by: parts of the callbacks' states, and the
    fingerprints of steps, where they were recorded.
    """
    from perdure.lineage.lineage import fit_digest

    lineage = lineage_of(store, job)
    fits = [
        {
            "fit": checkpoint.cursor.fit,
            "steps": checkpoint.step,
            "digest": fit_digest(checkpoint),
            "history": _plain(checkpoint.state["history"], checkpoint),
            "tensors": _digests(checkpoint),
            "callbacks": callback_states(checkpoint),
            "fingerprints": fingerprints(lineage, checkpoint),
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
    if "$dict" in history:
        return {name: _plain(values, checkpoint) for name, values in history["$dict"]}
    if "$array" in history:
        places = [e.checksum for e in checkpoint.tensors if e.group == "state"]
        return f"array {places[history['$array']]}"
    special = history.get("$float") or history.get("$scalar")
    return str(special) if special else {k: _plain(v, checkpoint) for k, v in history.items()}
