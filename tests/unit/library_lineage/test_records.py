"""Records: what is read is what was written, or it is damaged."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from perdure.lineage.digest import canonical, digest, digest_of
from perdure.lineage.records import (
    Checkpoint,
    Cursor,
    Index,
    OtherSchema,
    Record,
    RecordKind,
    now,
)
from perdure.lineage.table import Chunk, Damaged, Piece, TensorEntry, table_from_json

CHUNK = Chunk("f" * 32, "ab" * 20, 64, 40, "zstd4")
ENTRY = TensorEntry("model", "dense/kernel", "<f4", (2, 3), "cd" * 20, (Piece(CHUNK, 8, 24),))
CHECKPOINT = Checkpoint(
    Cursor(0, 3, 17), 317, (ENTRY,), {"history": {"größe": [0.5, -0.0]}}, 4, {"blocked": 0.25}
)
RECORD = Record(
    7, RecordKind.CHECKPOINT, "e" * 32, 2, Index(1, (4, 7), (3,), None), CHECKPOINT.to_body()
)
FLIPS = [1, 2, 4, 8, 16, 32, 64, 128]


def survives(data: bytes) -> bool:
    """Whether `data` is taken for a record; then it must be the one that was written."""
    try:
        decoded = Record.decode(data)
    except Damaged:
        return False
    assert decoded == Record.decode(RECORD.encode())
    return True


@pytest.mark.parametrize("kind", list(RecordKind))
def test_round_trip(kind):
    record = Record(1, kind, "writer", 1, Index().with_record(kind, 1), {"a": [1, None, "ü"]})
    assert Record.decode(record.encode()) == record


def test_checkpoint_round_trip():
    back = Checkpoint.from_record(Record.decode(RECORD.encode()))
    assert back == replace(CHECKPOINT, time=RECORD.time)


def test_any_flipped_bit_is_damage():
    data = RECORD.encode()
    survivors = [
        position
        for position in range(len(data))
        for flip in FLIPS
        if survives(data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :])
    ]
    # the case of a hexadecimal digit in the escape of a non-ASCII letter, which means the same
    assert all(re.search(rb"\\u[0-9a-fA-F]*$", data[max(0, p - 6) : p]) for p in survivors)


def test_any_truncation_is_damage():
    data = RECORD.encode()
    assert not any(survives(data[:length]) for length in range(len(data)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"kind": "other"}, id="unknown kind"),
        pytest.param({"index": None}, id="no index"),
        pytest.param({"index": {}}, id="empty index"),
        pytest.param({"more": 1}, id="unknown field"),
    ],
)
def test_a_record_of_another_form_is_damaged_though_its_checksum_is_right(change):
    document = {**json.loads(RECORD.encode()), **change}
    del document["checksum"]
    with pytest.raises(Damaged):
        Record.decode(with_checksum(document))


def with_checksum(document):
    return canonical({**document, "checksum": digest(canonical(document))})


@pytest.mark.parametrize("schema", [1, 3])
def test_a_record_of_another_version_is_no_damage(schema):
    """A lineage must not look empty to a version that cannot read it."""
    document = {**json.loads(RECORD.encode()), "schema": schema}
    del document["checksum"]
    with pytest.raises(OtherSchema, match=f"Received: schema {schema}, of another version"):
        Record.decode(with_checksum(document))


def test_a_record_of_the_first_version_had_other_checksums():
    document = {**json.loads(RECORD.encode()), "schema": 1, "checksum": "of another kind"}
    with pytest.raises(OtherSchema):
        Record.decode(canonical(document))


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"NaN"])
def test_what_is_no_record_is_damaged(data):
    with pytest.raises(Damaged):
        Record.decode(data)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="empty"),
        pytest.param({**CHECKPOINT.to_body(), "cursor": {"fit": 0}}, id="cursor"),
        pytest.param({**CHECKPOINT.to_body(), "time": 1}, id="its own time"),
        pytest.param({**CHECKPOINT.to_body(), "new": 1}, id="unknown field"),
    ],
)
def test_a_body_that_is_no_checkpoint_is_damaged(body):
    with pytest.raises(Damaged, match="record 7 is not a checkpoint"):
        Checkpoint.from_record(Record(7, RecordKind.CHECKPOINT, "w", 1, Index(), body))


def test_checkpoint_knows_its_bytes_and_chunks():
    assert CHECKPOINT.bytes == 24
    assert CHECKPOINT.chunks() == [CHUNK]
    assert CHUNK.name == f"{'f' * 32}/{'ab' * 20}.zstd4"


def row(**changes):
    values = {
        "group": "model", "path": "a", "dtype": "<f4", "shape": [2, 3], "checksum": "cd",
        "pieces": [[0, 8, 24]],
    }  # fmt: skip
    return [*{**values, **changes}.values()]


CHUNK_ROW = ["writer", "ab", 64, 64, ""]


@pytest.mark.parametrize(
    ("chunk", "tensor"),
    [
        pytest.param(CHUNK_ROW, ["a"], id="too few columns"),
        pytest.param(CHUNK_ROW, row(shape=[2, 4]), id="more bytes than are named"),
        pytest.param(CHUNK_ROW, row(shape=[10**9, 10**9]), id="far more bytes"),
        pytest.param(CHUNK_ROW, row(shape=["2", 3]), id="no shape"),
        pytest.param(CHUNK_ROW, row(dtype="object"), id="objects"),
        pytest.param(CHUNK_ROW, row(dtype="__class__"), id="no type"),
        pytest.param(CHUNK_ROW, row(pieces=[[0, 48, 24]]), id="beyond the chunk's end"),
        pytest.param(CHUNK_ROW, row(pieces=[[0, -8, 24]]), id="before its beginning"),
        pytest.param(CHUNK_ROW, row(pieces=[[0, 8, 32], [0, 0, -8]]), id="less than nothing"),
        pytest.param(CHUNK_ROW, row(pieces=[[1, 8, 24]]), id="a chunk that is not there"),
        pytest.param(["w", "ab", 2**40, 64, ""], row(), id="a chunk of a tebibyte"),
        pytest.param(["w", "ab", 64, 2**40, ""], row(), id="an object of a tebibyte"),
    ],
)
def test_a_table_that_says_what_cannot_be_is_damaged(chunk, tensor):
    with pytest.raises(Damaged):
        table_from_json({"chunks": [chunk], "tensors": [tensor]})


def test_the_table_that_those_are_changes_of_is_intact():
    (entry,) = table_from_json({"chunks": [CHUNK_ROW], "tensors": [row()]})
    assert entry.length == 24


@pytest.mark.parametrize(
    ("index", "after"),
    [
        pytest.param(Index().with_record(RecordKind.START, 1), Index(1), id="start"),
        pytest.param(Index(1).with_record(RecordKind.START, 9), Index(9), id="newer start"),
        pytest.param(
            Index(1, (2,)).with_record(RecordKind.CHECKPOINT, 3), Index(1, (2, 3)), id="checkpoint"
        ),
        pytest.param(
            Index(1, (2,), (3,)).with_record(RecordKind.FINAL, 4), Index(1, (2,), (3, 4)), id="final"
        ),
        pytest.param(
            Index(1, (), (3,)).with_record(RecordKind.FINISHED, 4),
            Index(1, (), (3,), 4),
            id="finished",
        ),
        pytest.param(
            Index(1, (2,), (3, 4), 5).reopened(), Index(1, (2,), (3,)), id="reopened"
        ),
        pytest.param(
            Index(1, (2, 3, 4), (5,)).without({2, 4, 5}), Index(1, (3,), (5,)), id="without"
        ),
        pytest.param(
            Index(1, (2, 3), (5,), dropped=(6,)).dropping({2}),
            Index(1, (3,), (5,), dropped=(2, 6)),
            id="dropping",
        ),
        pytest.param(
            Index(1, (3,), dropped=(2, 6)).without({6}), Index(1, (3,), dropped=(2,)), id="deleted"
        ),
    ],
)  # fmt: skip
def test_index(index, after):
    assert index == after


def test_cursors_are_ordered_by_fit_then_epoch_then_batch():
    cursors = [Cursor(1, 0, 0), Cursor(0, 2, 1), Cursor(0, 1, 9), Cursor(0, 1, 8)]
    assert sorted(cursors) == cursors[::-1]


def test_times_are_rfc_3339_in_utc():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", now())


def test_canonical_does_not_depend_on_the_order_of_keys():
    assert canonical({"b": 1, "a": [{"d": 2, "c": "ü"}]}) == b'{"a":[{"c":"\\u00fc","d":2}],"b":1}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_canonical_has_no_numbers_that_json_has_not(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": value})


def test_digest_is_blake3_of_the_bytes():
    """The first 20 bytes of the empty input's hash in BLAKE3's published test vectors."""
    empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9"
    assert digest(b"") == empty
    assert digest(memoryview(b"ab")) == digest(b"ab") != empty


def test_digest_of_tells_where_parts_end():
    parts = [["ab"], ["a", "b"], ["a,b"], ["b", "a"], ["", "ab"], []]
    assert len({digest_of(part) for part in parts}) == len(parts)
