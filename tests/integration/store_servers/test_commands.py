"""`perdure checkpoints` on a folder and on real servers: the same on all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from small_lineage import JOB, begun, snapshot, writer_of

from perdure.cli import main
from perdure.lineage.records import RecordKind
from perdure.store import Store


def commanded(store: Store, *arguments: str) -> str:
    command = ["checkpoints", *arguments, "--store", store.url]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_lineage_is_listed_shown_verified_and_pruned(store: Store) -> None:
    lineage = begun(store, pytest.fail)  # type: ignore[arg-type]
    writer = writer_of(lineage)
    for step in (10, 20, 30):
        writer.write(snapshot(RecordKind.CHECKPOINT, 0, step))
    store.put(f"{JOB}/chunks/dead/{'0' * 40}", b"1234")
    (summary,) = json.loads(commanded(store, "ls", "--json"))["lineages"]
    assert summary == {
        "job": JOB, "state": "unfinished", "step": 30, "checkpoints": 3,
        "bytes": sum(store.list(f"{JOB}/").values()),
    }  # fmt: skip
    shown: dict[str, Any] = json.loads(commanded(store, "show", "newest", "--job", JOB, "--json"))
    assert (shown["step"], len(shown["tensors"])) == (30, 3)
    assert commanded(store, "prune", "--job", JOB) == "1 chunk, 4 B, deleted\n"
    lineage.log.append(RecordKind.FINISHED, {})
    told = commanded(store, "prune", "--job", JOB, "--keep", "last=1")
    assert told == "checkpoint 2 at step 10 deleted\n1 chunk, 36 B, deleted\n"
    verified = commanded(store, "verify", "--job", JOB).splitlines()
    assert [line.split() for line in verified] == [
        ["3", "checkpoint", "intact"], ["4", "checkpoint", "intact"]
    ]  # fmt: skip
