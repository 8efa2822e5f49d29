"""`perdure checkpoints ls`: checkpoints of a job, lineages of a store."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from small_lineage import JOB, begun, perdure, snapshot, writer_of

from perdure.cli import main
from perdure.cli.tables import size
from perdure.lineage.records import RecordKind
from perdure.store.local import LocalStore


def test_checkpoints(store, lineage):
    result = perdure(store, "ls")
    assert result.exit_code == 0
    header, *rows = result.output.splitlines()
    assert header.split() == [
        "number", "kind", "step", "fit/epoch/batch", "size", "only", "its", "own", "time", "value",
    ]  # fmt: skip
    words = [row.split() for row in rows]
    assert [w[:8] + w[9:] for w in words] == [
        ["2", "checkpoint", "10", "0/1/3", "36", "B", "36", "B", "-"],
        ["3", "checkpoint", "20", "0/1/6", "36", "B", "0", "B", "-"],
        ["4", "final", "20", "0/1/6", "36", "B", "0", "B", "-"],
        ["5", "checkpoint", "25", "1/1/4", "36", "B", "36", "B", "-"],
    ]


def test_checkpoints_for_a_program(store, lineage):
    writer_of(lineage).write(snapshot(RecordKind.CHECKPOINT, 1, 30, value=0.25))
    document = json.loads(perdure(store, "ls", "--json").stdout)
    assert (document["job"], document["finished"]) == (JOB, False)
    last = document["checkpoints"][-1]
    assert last.pop("time").endswith("Z")
    assert last == {
        "number": 6, "kind": "checkpoint", "step": 30, "fit": 1, "epoch": 1, "batch": 2,
        "bytes": 36, "ownBytes": 36, "value": 0.25,
    }  # fmt: skip


@pytest.mark.parametrize("number", [2, 4, 5])
def test_a_damaged_record_is_said(store, lineage, number):
    store.put(lineage.log.key(number), b"?")
    result = perdure(store, "ls")
    assert result.exit_code == 0
    assert f" {number} is passed over" in result.stderr
    assert len(result.stdout.splitlines()) == 4


def in_store(store: LocalStore, *options: str) -> Result:
    return CliRunner().invoke(main, ["checkpoints", "ls", "--store", store.url, *options])


def summaries(store: LocalStore) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(in_store(store, "--json").stdout)["lineages"]
    return found


def stored(store: LocalStore, job: str) -> int:
    return sum(store.list(f"{job}/").values())


def test_lineages(store, lineage):
    other = begun(store, pytest.fail, "team/digits/2")
    writer_of(other).write(snapshot(RecordKind.FINAL, 0, 90))
    other.log.append(RecordKind.FINISHED, {})
    begun(store, pytest.fail, "team/wide/1")
    assert summaries(store) == [
        {"job": JOB, "state": "unfinished", "step": 25, "checkpoints": 4, "bytes": stored(store, JOB)},
        {"job": "team/digits/2", "state": "finished", "step": 90, "checkpoints": 1,
         "bytes": stored(store, "team/digits/2")},
        {"job": "team/wide/1", "state": "unfinished", "step": None, "checkpoints": 0,
         "bytes": stored(store, "team/wide/1")},
    ]  # fmt: skip
    assert [line.split()[:4] for line in in_store(store).stdout.splitlines()] == [
        ["lineage", "state", "step", "checkpoints"],
        [JOB, "unfinished", "25", "4"],
        ["team/digits/2", "finished", "90", "1"],
        ["team/wide/1", "unfinished", "-", "0"],
    ]


def test_lineages_that_cannot_be_read_are_named_beside_the_others(store, lineage):
    store.put("team/old/1/log/00000001.json", b'{"schema": 1, "checksum": "a"}')
    damaged = begun(store, pytest.fail, "team/torn/1")
    damaged.log.append(RecordKind.FINISHED, {})
    store.put(damaged.log.key(1), b"?")
    states = {summary["job"]: summary["state"] for summary in summaries(store)}
    assert states == {
        JOB: "unfinished",
        "team/old/1": "of another version",
        "team/torn/1": "damaged",
    }


def test_what_is_not_perdures_is_passed_over(store, lineage):
    for key in ("notes.txt", "team/digits/1/README", "a/b/c/logs/d", "-/b/c/log/00000001.json"):
        store.put(key, b"mine")
    assert [summary["job"] for summary in summaries(store)] == [JOB]


def test_an_empty_store(store):
    assert summaries(store) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (16_777_216, "16.8 MB"), (4e15, "4000.0 TB")],
)
def test_sizes(count, text):
    assert size(int(count)) == text
