"""`perdure checkpoints show`: one checkpoint in all its parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from small_lineage import begun, perdure, snapshot, writer_of

from perdure.lineage.records import RecordKind
from perdure.store.local import LocalStore


def shown(store: LocalStore, number: str) -> dict[str, Any]:
    result = perdure(store, "show", number, "--json")
    assert result.exit_code == 0
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_everything_of_a_checkpoint(store, lineage):
    document = shown(store, "4")
    assert document["time"].endswith("Z")
    assert set(document["timings"]) == {"blocked", "written"}
    assert document["start"]["environment"] == {"keras": "3.15.0"}
    expected = {
        "number": 4, "kind": "final", "writer": lineage.log.writer, "attempt": 1, "step": 20,
        "fit": 0, "epoch": 1, "batch": 6, "value": None, "parent": 3, "bytes": 36,
    }  # fmt: skip
    assert {name: document[name] for name in expected} == expected


def test_tensors_and_chunks(store, lineage):
    document = shown(store, "4")
    model, optimizer, state = document["tensors"]
    assert model.pop("checksum")
    assert model == {
        "group": "model", "path": "model/a", "dtype": "<f4", "shape": [2, 3], "bytes": 24
    }  # fmt: skip
    assert (optimizer["group"], state["bytes"]) == ("optimizer", 4)
    (chunk,) = document["chunks"]
    assert (chunk["bytes"], chunk["stored"], chunk["sharedWith"]) == (36, 36, [3])


def test_the_newest(store, lineage):
    assert shown(store, "newest")["number"] == 5


def test_the_start_is_that_of_the_process_that_made_it(store, lineage):
    lineage.claim({"environment": {"keras": "newer"}}, continues=False)
    writer_of(lineage).write(snapshot(RecordKind.CHECKPOINT, 1, 40))
    assert shown(store, "newest")["start"]["environment"] == {"keras": "newer"}
    assert shown(store, "5")["start"]["environment"] == {"keras": "3.15.0"}


def test_a_damaged_start_is_passed_over_for_the_one_before(store, lineage):
    lineage.claim({"environment": {"keras": "newer"}}, continues=False)
    writer_of(lineage).write(snapshot(RecordKind.CHECKPOINT, 1, 40))
    store.put(lineage.log.key(6), b"?")
    result = perdure(store, "show", "7", "--json")
    assert json.loads(result.stdout)["start"]["environment"] == {"keras": "3.15.0"}
    assert "record 6 is passed over for the one before" in result.stderr


def test_for_a_person(store, lineage):
    result = perdure(store, "show", "4")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for line in (
        "step 20: fit 0, epoch 1, batch 6",
        "parent 3",
        "environment: keras 3.15.0",
        "fixed: seed 7",
        "model dtype shape size",
        "model/a <f4 [2, 3] 24 B",
    ):
        assert line in lines


@pytest.mark.parametrize("number", ["1", "6", "oldest", "4.5"])
def test_what_is_no_checkpoint_is_refused(store, lineage, number):
    result = perdure(store, "show", number)
    assert (result.exit_code, result.stdout) == (78, "")
    assert f"expected 'newest' or one of 2, 3, 4, 5. Received: {number!r}" in result.stderr


def test_a_lineage_without_checkpoints(store):
    begun(store, pytest.fail)
    result = perdure(store, "show", "newest")
    assert (result.exit_code, result.stdout) == (78, "")
    assert "expected a lineage with checkpoints" in result.stderr


def test_a_damaged_one_is_said(store, lineage):
    store.put(lineage.log.key(3), b"?")
    result = perdure(store, "show", "3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not an intact record" in result.stderr
