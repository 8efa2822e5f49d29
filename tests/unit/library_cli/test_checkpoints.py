"""`perdure checkpoints`: what it prints of a lineage, and its sentence where there is none."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from perdure.cli import main
from perdure.contract.environment import Job, Keep
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.table import chunk_key
from perdure.lineage.writer import CheckpointWriter, Snapshot
from perdure.store.local import LocalStore

JOB = "team/digits/1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.delenv("PERDURE_STORE", raising=False)
    return LocalStore(tmp_path / "store")


@pytest.fixture
def lineage(store: LocalStore) -> Lineage:
    """A finished fit and a second one under way: records 2 and 3, final 4, checkpoint 5."""
    lineage = Lineage(store, Job.parse(JOB), 1, pytest.fail)
    lineage.claim({}, continues=False)
    writer = CheckpointWriter(lineage.log, Keep(3))
    for fit, step, kind in ((0, 10, "checkpoint"), (0, 20, "checkpoint"), (0, 20, "final"),
                            (1, 25, "checkpoint")):  # fmt: skip
        writer.write(snapshot(RecordKind(kind), fit, step))
    return lineage


def snapshot(kind: RecordKind, fit: int, step: int) -> Snapshot:
    values = {
        "model": np.full((2, 3), step, np.float32),
        "optimizer": np.array(step),
        "state": np.full(4, step, np.uint8),
    }
    tensors = deque(Tensor(group, f"{group}/a", lambda v=v: v) for group, v in values.items())
    history = {"loss": [0.5, {"$float": "nan"}]}
    return Snapshot(kind, Cursor(fit, 1, step % 7), step, tensors, {"history": history})


def perdure(store: LocalStore, *arguments: str, job: str = JOB) -> Result:
    command = ["checkpoints", *arguments, "--store", store.url, "--job", job]
    return CliRunner().invoke(main, command)


def test_list(store, lineage):
    result = perdure(store, "list")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "       2  checkpoint  step 10       fit 0 epoch 1 batch 3  36 bytes",
        "       3  checkpoint  step 20       fit 0 epoch 1 batch 6  36 bytes",
        "       4  final       step 20       fit 0 epoch 1 batch 6  36 bytes",
        "       5  checkpoint  step 25       fit 1 epoch 1 batch 4  36 bytes",
    ]


@pytest.mark.parametrize("verb", ["list", "verify", "results"])
def test_reading_changes_nothing_and_fences_nobody(store, lineage, verb):
    before = store.list("")
    assert perdure(store, verb).exit_code == 0
    assert store.list("") == before
    assert lineage.log.append(RecordKind.FINISHED, {}).number == 6


def test_verify_an_intact_lineage(store, lineage):
    result = perdure(store, "verify")
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()] == [
        ["2", "checkpoint", "intact"],
        ["3", "checkpoint", "intact"],
        ["4", "final", "intact"],
        ["5", "checkpoint", "intact"],
    ]


def test_verify_finds_a_damaged_chunk(store, lineage):
    (_, _, checkpoint), *_ = lineage.saved()
    (chunk,) = checkpoint.chunks()
    store.put(chunk_key(str(JOB), chunk), b"?")
    result = perdure(store, "verify")
    assert result.exit_code == 1
    first, *others = result.output.splitlines()
    assert first.endswith(f"chunk {chunk.name} holds other bytes than were written")
    assert all(line.endswith("intact") for line in others)


@pytest.mark.parametrize("number", [2, 4, 5])
@pytest.mark.parametrize("verb", ["list", "verify"])
def test_a_damaged_record_is_said(store, lineage, verb, number):
    store.put(lineage.log.key(number), b"?")
    result = perdure(store, verb)
    assert result.exit_code == (1 if verb == "verify" else 0)
    assert f" {number} is passed over" in result.stderr
    assert len(result.stdout.splitlines()) == 3


def results(store: LocalStore) -> dict[str, Any]:
    result = perdure(store, "results")
    assert result.exit_code == 0
    document: dict[str, Any] = json.loads(result.stdout, parse_constant=pytest.fail)
    return document


def test_results_are_of_finished_fits(store, lineage):
    document = results(store)
    assert (document["job"], document["finished"]) == (JOB, False)
    (fit,) = document["fits"]
    assert (fit["fit"], fit["steps"], fit["history"]) == (0, 20, {"loss": [0.5, "nan"]})
    assert [(t["group"], t["index"], t["dtype"], t["shape"]) for t in fit["tensors"]] == [
        ("model", 0, "<f4", [2, 3]),
        ("optimizer", 1, "<i8", []),
    ]


def test_results_of_a_finished_lineage(store, lineage):
    lineage.log.append(RecordKind.FINISHED, {})
    assert results(store)["finished"] is True


def test_results_have_the_digest_of_what_was_trained(store, lineage):
    writer = CheckpointWriter(lineage.log, Keep(3))
    for fit, step in ((1, 20), (2, 21)):
        writer.write(snapshot(RecordKind.FINAL, fit, step))
    first, second, third = (fit["digest"] for fit in results(store)["fits"])
    assert first == second != third


@pytest.mark.parametrize("verb", ["list", "verify", "results"])
@pytest.mark.parametrize(
    ("url", "job", "sentence"),
    [
        pytest.param(None, "team/other/1", "Received: team/other/1, of which", id="no lineage"),
        pytest.param(None, "digits", "PERDURE_JOB: expected namespace/name/run", id="job"),
        pytest.param("s3a://bucket/a", JOB, "Did you mean s3://bucket/a?", id="scheme"),
        pytest.param("/data/store", JOB, "Did you mean file:///data/store?", id="path"),
        pytest.param("file://", JOB, "Expected s3://bucket/prefix or file:///folder", id="nothing"),
    ],
)
def test_refusals(store, lineage, verb, url, job, sentence):
    command = ["checkpoints", verb, "--store", url or store.url, "--job", job]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 78
    assert result.stdout == ""
    assert sentence in result.stderr


def test_a_file_in_the_place_of_the_store_is_refused(tmp_path):
    (tmp_path / "file").touch()
    result = perdure(LocalStore(tmp_path / "file"), "list")
    assert result.exit_code == 78
    assert "Not a directory" in result.stderr


def test_the_store_may_come_from_the_environment(store, lineage):
    environ = {"PERDURE_STORE": store.url}
    result = CliRunner().invoke(main, ["checkpoints", "list", "--job", JOB], env=environ)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 4


@pytest.mark.parametrize("missing", ["--store", "--job"])
def test_what_must_be_given_is_asked_for(store, missing):
    options = {"--store": store.url, "--job": JOB}
    del options[missing]
    words = [word for option in options.items() for word in option]
    result = CliRunner().invoke(main, ["checkpoints", "list", *words])
    assert result.exit_code == 2
    assert f"Missing option '{missing}'" in result.stderr
