"""Requests in the log: read back in order, kept as long as a checkpoint is before them, no longer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from perdure.contract.environment import Keep
from perdure.lineage.log import WriterFenced
from perdure.lineage.records import Cursor, Index, Obeyed, Record, RecordKind
from perdure.lineage.table import Damaged
from perdure.store import Unavailable

ARRAYS = {"kernel": np.arange(4, dtype=np.float32)}


def request(number: int, step: int | None) -> Obeyed:
    cursor = None if step is None else Cursor(0, 0, step)
    return Obeyed(number, "learning-rate-factor", {"factor": "0.5"}, cursor)


def ids(process) -> list[int]:
    return [obeyed.id for _, obeyed in process.lineage.requests()]


def records(store, kind: RecordKind) -> int:
    return sum(
        json.loads(store.get(key))["kind"] == kind for key in store.list("team/digits/1/log/")
    )


@pytest.mark.parametrize("step", [None, 7])
def test_what_is_noted_is_read_back(process, reader, step):
    process().writer.note(request(3, step))
    ((_, read),) = reader().lineage.requests()
    assert read == request(3, step)


def test_requests_stay_while_a_kept_checkpoint_is_before_them(store, process, reader):
    trainer = process(Keep(2))
    for step in range(1, 6):
        trainer.save(step, ARRAYS)
        trainer.writer.note(request(step, step))
    assert ids(reader()) == [4, 5], "checkpoints 4 and 5 are kept"
    trainer.save(6, ARRAYS)
    trainer.save(7, ARRAYS)
    assert ids(reader()) == [5], "the newest id is known for good"
    assert records(store, RecordKind.REQUEST) == 1


def test_the_newest_id_stays_wherever_it_stands(process, reader):
    """A checkpoint that was asked for is put on record when it is there, perhaps after a newer request."""
    trainer = process(Keep(2))
    trainer.writer.note(request(9, 1))
    trainer.writer.note(request(8, None))
    for step in range(2, 6):
        trainer.save(step, ARRAYS)
    assert ids(reader()) == [9]


def test_the_rules_hold_over_processes(process, reader):
    for step in range(1, 6):
        trainer = process(Keep(2))
        trainer.save(step, ARRAYS)
        trainer.writer.note(request(step, step))
    assert ids(reader()) == [4, 5]


def test_a_request_without_checkpoints_stays(process, reader):
    process().writer.note(request(1, 3))
    process().writer.note(request(2, 5))
    assert ids(reader()) == [1, 2]


def test_an_answer_that_is_lost_leaves_two_records_of_a_request(process, reader, disturbed):
    trainer = process(through=disturbed)

    def lost(_key: str) -> None:
        disturbed.after.clear()
        raise Unavailable("the answer is lost")

    disturbed.after["create"] = lost
    with pytest.raises(Unavailable):
        trainer.writer.note(request(1, 3))
    trainer.writer.note(request(1, 4))
    found = [obeyed.cursor.batch for _, obeyed in reader().lineage.requests()]
    assert found == [3, 4]


def test_an_older_process_cannot_note(process):
    older = process()
    process()
    with pytest.raises(WriterFenced):
        older.writer.note(request(1, 1))


def test_a_damaged_record_is_said_and_the_others_count(store, process, reader):
    trainer = process()
    trainer.save(0, ARRAYS)
    trainer.writer.note(request(1, 1))
    trainer.writer.note(request(2, 2))
    trainer.save(3, ARRAYS)
    store.put(trainer.lineage.log.key(3), b"?")
    found = reader()
    assert ids(found) == [2]
    assert "request record 3 is passed over" in found.notices[0]


def test_a_body_that_is_no_request_is_damage():
    record = Record(1, RecordKind.REQUEST, "writer", 1, Index(), {"id": 1})
    with pytest.raises(Damaged, match="record 1 is not a request"):
        Obeyed.from_record(record)
