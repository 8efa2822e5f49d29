"""`perdure checkpoints`: what it prints of a lineage, and its sentence where there is none."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from small_lineage import JOB, perdure, snapshot, writer_of

from perdure.cli import main
from perdure.contract.environment import Keep
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.table import chunk_key
from perdure.lineage.writer import CheckpointWriter, Snapshot
from perdure.store.local import LocalStore


@pytest.mark.parametrize("verb", ["ls", "verify", "results", "show newest"])
def test_reading_changes_nothing_and_fences_nobody(store, lineage, verb):
    before = store.list("")
    assert perdure(store, *verb.split()).exit_code == 0
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
def test_verify_finds_a_damaged_record(store, lineage, number):
    store.put(lineage.log.key(number), b"?")
    result = perdure(store, "verify")
    assert result.exit_code == 1
    assert f" {number} is passed over" in result.stderr
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize("verb", ["ls", "verify", "show 5", "results"])
def test_checkpoints_are_read_without_an_intact_start(store, lineage, verb):
    intact = perdure(store, *verb.split())
    store.put(lineage.log.key(1), b"?")
    result = perdure(store, *verb.split())
    assert result.exit_code == (verb == "verify")
    assert result.stdout.splitlines()[-1] == intact.stdout.splitlines()[-1]
    is_said = "Expected an intact start record" in result.stderr
    assert is_said == (verb in ("verify", "show 5"))


def test_verify_says_a_start_that_is_passed_over(store, lineage):
    lineage.claim({}, continues=False)
    store.put(lineage.log.key(6), b"?")
    result = perdure(store, "verify")
    assert result.exit_code == 1
    assert "record 6 is passed over for the one before" in result.stderr


def test_verify_reads_what_is_shared_once(store, lineage, monkeypatch):
    read = []
    get = LocalStore.get

    def counted(self: LocalStore, key: str, *most: int) -> Any:
        read.append(key)
        return get(self, key, *most)

    monkeypatch.setattr(LocalStore, "get", counted)
    assert perdure(store, "verify").exit_code == 0
    chunks = [key for key in read if "/chunks/" in key]
    assert sorted(chunks) == [key for key in store.list("") if "/chunks/" in key]


def test_verify_leaves_out_what_was_given_up_meanwhile(store, lineage, monkeypatch):
    writer = writer_of(lineage)
    get = LocalStore.get

    def training_goes_on(self: LocalStore, key: str, *most: int) -> Any:
        monkeypatch.setattr(LocalStore, "get", get)
        for step in (26, 27, 28):
            writer.write(snapshot(RecordKind.CHECKPOINT, 1, step))
            writer.sweep()
        return get(self, key, *most)

    def first_chunk(self: LocalStore, key: str, *most: int) -> Any:
        return (training_goes_on if "/chunks/" in key else get)(self, key, *most)

    monkeypatch.setattr(LocalStore, "get", first_chunk)
    result = perdure(store, "verify")
    assert (result.exit_code, result.stdout.splitlines()) == (0, ["       4  final       intact"])


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


def test_results_have_what_two_runs_are_compared_by(store, lineage):
    digests = np.arange(3, dtype=np.uint64)
    counted = np.array([[1, 0, 1], [2, 0, 2]]), np.array([1, 2])
    arrays = deque(
        Tensor("state", str(i), lambda a=a: a) for i, a in enumerate([digests, *counted])
    )
    recorded = {
        "paths": ["model a", "model b"], "counted": {"$tuple": []},
        "digests": {"$array": 0}, "places": {"$array": 1}, "sizes": {"$array": 2},
    }  # fmt: skip
    state = {
        "history": {"loss": [0.5]},
        "callbacks": [
            {"name": "perdure.fingerprints.Fingerprints", "state": recorded},
            {"name": "own.One", "attributes": {"seen": 3, "losses": {"$array": 0}}},
            {"name": "own.Two", "state": [1]},
        ],
    }
    writer = CheckpointWriter(lineage.log, Keep(3))
    writer.write(Snapshot(RecordKind.FINAL, Cursor(1, 0, 2), 22, arrays, state))
    first, fit = results(store)["fits"]
    assert (first["callbacks"], first["fingerprints"]) == ([], None)
    assert fit["fingerprints"] == {
        "paths": ["model a", "model b"],
        "rows": [
            {"step": 1, "epoch": 0, "batch": 1, "digests": f"{0:016x}"},
            {"step": 2, "epoch": 0, "batch": 2, "digests": f"{1:016x}{2:016x}"},
        ],
    }
    assert [(c["name"], {*c["values"]}) for c in fit["callbacks"]] == [
        ("own.One", {"seen", "losses"}),
        ("own.Two", {"get_state()"}),
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


@pytest.mark.parametrize("verb", ["ls", "verify", "results", "show newest"])
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
    command = ["checkpoints", *verb.split(), "--store", url or store.url, "--job", job]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 78
    assert result.stdout == ""
    assert sentence in result.stderr


def test_a_file_in_the_place_of_the_store_is_refused(tmp_path):
    (tmp_path / "file").touch()
    result = perdure(LocalStore(tmp_path / "file"), "ls")
    assert result.exit_code == 78
    assert "Not a directory" in result.stderr


def test_the_store_may_come_from_the_environment(store, lineage):
    environ = {"PERDURE_STORE": store.url}
    result = CliRunner().invoke(main, ["checkpoints", "ls", "--job", JOB], env=environ)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 5


@pytest.mark.parametrize("missing", ["--store", "--job"])
def test_what_must_be_given_is_asked_for(store, missing):
    options = {"--store": store.url, "--job": JOB}
    del options[missing]
    words = [word for option in options.items() for word in option]
    result = CliRunner().invoke(main, ["checkpoints", "verify", *words])
    assert result.exit_code == 2
    assert f"Missing option '{missing}'" in result.stderr
