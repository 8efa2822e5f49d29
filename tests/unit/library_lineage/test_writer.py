"""Saving and forgetting: whatever the order of saves, ends and crashes, what is kept can be read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from perdure.contract.environment import Keep
from perdure.lineage import chunk_writer, log, table
from perdure.lineage.chunk_reader import read_tensors
from perdure.lineage.log import RecordTooLarge, WriterFenced
from perdure.lineage.records import RecordKind
from perdure.lineage.verification import verify
from perdure.store import Unavailable
from perdure.store.local import LocalStore

LARGE = 256  # elements of float32
KEEPS = [Keep(1), Keep(3), Keep(2, "loss", "min"), Keep(1, "accuracy", "max")]
VALUES = [None, 0.5, 0.1, 0.3, None, 0.1, 0.9, 0.05, 0.05, None, 0.7, 0.2]
each_keep = pytest.mark.parametrize("keep", KEEPS, ids=str)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "CHUNK_BYTES", 2 * LARGE)
    monkeypatch.setattr(chunk_writer, "PACK_BELOW_BYTES", 4 * LARGE)


def arrays(step: int) -> dict[str, Any]:
    """A frozen layer, one whose values come back, one that always changes, and a small one."""
    return {
        "frozen": np.arange(LARGE, dtype=np.float32) - 1000,
        "returns": np.arange(LARGE, dtype=np.float32) + step % 3,
        "trained": np.arange(LARGE, dtype=np.float32) + step,
        "bias": np.full(3, step, np.float32),
    }


def check_all_is_readable(store: Any, reader: Any, saved: dict[int, dict[str, Any]]) -> list[int]:
    """Every kept checkpoint holds what was saved, and nothing else is there; gives their numbers."""
    found = reader()
    kept = {number: checkpoint for number, _, checkpoint in found.lineage.saved()}
    index = found.lineage.log.index
    assert [*kept] == sorted((*index.checkpoints, *index.finals))
    assert found.notices == []
    for number, checkpoint in kept.items():
        back = read_tensors(store, "team/digits/1", checkpoint.tensors)
        for entry, array in zip(checkpoint.tensors, back, strict=True):
            np.testing.assert_array_equal(array, saved[number][entry.path])
    named = {chunk.name for checkpoint in kept.values() for chunk in checkpoint.chunks()}
    assert {*found.lineage.chunk_names()} == named
    return [*kept]


@each_keep
def test_every_kept_checkpoint_is_complete_after_every_save(store, process, reader, keep):
    trainer = process(keep)
    for step, value in enumerate(VALUES):
        trainer.save(step, arrays(step), value=value)
        numbers = check_all_is_readable(store, reader, trainer.saved)
        assert len(numbers) <= max(keep.last, 2) + (keep.monitor is not None)
        assert trainer.saved.keys() >= set(numbers)
        assert numbers[-1] == max(trainer.saved)


@each_keep
@pytest.mark.parametrize("restarts", [1, 2, 5])
def test_processes_that_follow_each_other_keep_the_same_rules(
    store, process, reader, keep, restarts
):
    saved: dict[int, dict[str, Any]] = {}
    trainer = process(keep)
    for step, value in enumerate(VALUES):
        if step % restarts == 0:
            trainer = process(keep)
        saved[trainer.save(step, arrays(step), value=value)] = arrays(step)
        check_all_is_readable(store, reader, saved)
    records = {int(key[-13:-5]) for key in store.list("team/digits/1/log/")}
    index = trainer.lineage.log.index
    starts = {n for n in records if trainer.lineage.log.read(n).kind is RecordKind.START}
    assert records - starts == set(index.checkpoints)
    assert index.dropped == ()


def test_the_best_checkpoint_stays_over_a_restart(store, process, reader):
    keep = Keep(1, "loss", "min")
    best = process(keep).save(0, arrays(0), value=0.01)
    for step in range(1, 6):
        process(keep).save(step, arrays(step), value=0.5)
        assert best in reader().lineage.log.index.checkpoints


def test_the_best_of_something_else_is_not_the_best(store, process, reader):
    """A loss of 0.01 would look like the worst accuracy, an accuracy of 0.9 like the worst loss."""
    process(Keep(1, "accuracy", "max")).save(0, arrays(0), value=0.01)
    trainer = process(Keep(1, "loss", "min"))
    best = trainer.save(1, arrays(1), value=0.4)
    for step in range(2, 5):
        trainer.save(step, arrays(step), value=0.5)
    kept = reader().lineage.log.index.checkpoints
    assert (best, len(kept)) == (kept[0], 3)


def test_ends_of_fits_are_never_dropped(store, process, reader):
    trainer = process(Keep(1))
    finals = []
    for fit in range(3):
        for step in range(4):
            trainer.save(10 * fit + step, arrays(step), fit=fit)
        finals.append(trainer.save(10 * fit + 4, arrays(4), fit=fit, kind=RecordKind.FINAL))
    assert reader().lineage.log.index.finals == tuple(finals)
    check_all_is_readable(store, reader, trainer.saved)


def test_what_did_not_change_is_not_sent_again(process):
    trainer = process()
    first, second, third = (trainer.commit(step, arrays(step)) for step in (0, 3, 3))
    size = 4 * LARGE
    assert first.sent == 2 * size + 12  # "returns" and "trained" are the same
    assert second.sent == size + 12
    assert third.sent == 0
    assert process().commit(3, arrays(3)).sent == 0


def test_committed_says_what_was_written(store, process):
    committed = process().commit(5, arrays(5)).committed
    assert (committed.record, committed.step, committed.bytes) == (2, 5, 3 * 4 * LARGE + 12)
    other = process().commit(5, arrays(5)).committed
    assert other.digest == committed.digest
    assert process().commit(6, arrays(6)).committed.digest != committed.digest


def test_the_record_names_its_parent_and_what_the_save_cost(process, reader):
    trainer = process()
    numbers = [trainer.save(step, arrays(step)) for step in range(2)]
    first, second = (checkpoint for _, _, checkpoint in reader().lineage.saved())
    assert (first.parent, second.parent) == (None, numbers[0])
    assert set(first.timings) == {"blocked", "written"}


def test_records_go_before_their_chunks(process, disturbed):
    """A reader must never find a record whose chunks are gone already."""
    trainer = process(Keep(1), disturbed)
    for step in range(3):
        trainer.save(step, arrays(step))
    deleted = [key.split("/")[3] for name, key in disturbed.calls if name == "delete"]
    assert deleted[0] == "log"
    assert set(deleted[1:]) == {"chunks"}


def test_chunks_go_before_their_record(process, disturbed):
    """A record must never name a chunk that is not there yet."""
    process(Keep(1), disturbed).save(1, arrays(1))
    written = [
        key.split("/")[3] for _, key in disturbed.calls if "/log/" in key or "/chunks/" in key
    ]
    last_record = len(written) - 1 - written[::-1].index("log")
    assert "chunks" in written
    assert "chunks" not in written[last_record:]


def test_a_fenced_writer_deletes_nothing(store, process, reader):
    older = process(Keep(1))
    older.save(0, arrays(0))
    older.save(1, arrays(1))
    newer = process(Keep(1))
    before = store.list("team/digits/1/log/")
    with pytest.raises(WriterFenced):
        older.save(2, arrays(2))
    assert store.list("team/digits/1/log/") == before
    newer.save(3, arrays(3))
    assert [c.step for _, _, c in reader().lineage.saved()] == [1, 3]


class Killed(BaseException):
    """The process is gone."""


def killing(after: int) -> Callable[[str], None]:
    calls = iter(range(after))

    def count(_key: str) -> None:
        if next(calls, None) is None:
            raise Killed

    return count


def save_until_killed(trainer: Any) -> bool:
    """Save some; False if nothing has killed the process."""
    try:
        for step, value in enumerate(VALUES[:6]):
            trainer.save(step, arrays(step), value=value)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("keep", [Keep(1), Keep(1, "loss", "min")], ids=str)
def test_a_kill_at_any_write_leaves_every_checkpoint_complete(
    store, tmp_path, disturb, process, reader, keep
):
    """The kill is swept over all writes of a run; each time another process goes on."""
    writes, was_killed = 0, True
    while was_killed:
        folder = LocalStore(tmp_path / str(writes))
        disturbed = disturb(folder)
        trainer = process(keep, disturbed)
        disturbed.before = dict.fromkeys(("put", "create", "delete"), killing(writes))
        was_killed = save_until_killed(trainer)
        check_that_another_goes_on(process(keep, folder), trainer.saved)
        assert damages(reader(folder)) == [None] * len(reader(folder).lineage.log.index.checkpoints)
        writes += 1
    assert writes > 20


def damages(found: Any) -> list[str | None]:
    checkpoints = {number: checkpoint for number, _, checkpoint in found.lineage.saved()}
    return [*verify(found.lineage, checkpoints, lambda _chunk: None).values()]


def check_that_another_goes_on(newer: Any, committed: dict[int, Any]) -> None:
    assert not any(damages(newer))
    point = newer.lineage.point_for(0)
    if committed:
        assert point.number >= max(committed)
        np.testing.assert_array_equal(point.arrays[2], arrays(point.checkpoint.step)["trained"])
    for step in (10, 11, 12):
        newer.save(step, arrays(step), value=0.2)
    assert newer.notices == []


def test_a_retention_that_fails_loses_no_checkpoint(store, process, reader, disturbed):
    trainer = process(Keep(1), disturbed)
    for step in range(2):
        trainer.save(step, arrays(step))

    def fail(key: str) -> None:
        raise Unavailable(key)

    disturbed.before["delete"] = fail
    with pytest.raises(Unavailable):
        trainer.save(2, arrays(2))
    del disturbed.before["delete"]
    for step in (3, 4):
        trainer.save(step, arrays(step))
        assert damages(reader()) == [None, None]
    assert [c.step for _, _, c in reader().lineage.saved()] == [3, 4]


def test_a_deletion_that_comes_late_hits_nothing_that_is_needed(store, process, reader, disturbed):
    """The store has not answered in time, the values come back, and only then it deletes."""
    trainer = process(Keep(1), disturbed)
    late: list[str] = []

    def fail(key: str) -> None:
        if "/chunks/" in key:
            late.append(key)
            raise Unavailable(key)

    for step in range(6):
        disturbed.before["delete"] = fail
        with suppress(Unavailable):
            trainer.save(step, arrays(step))
        del disturbed.before["delete"]
        trainer.writer.sweep()
    assert late
    for key in late:
        store.delete(key)
    assert damages(reader()) == [None, None]


def test_a_deletion_that_is_repeated_late_hits_nothing_that_is_needed(
    store, process, reader, disturbed
):
    """The connection was reset, the second try was answered, and then the store does the first one."""
    trainer = process(Keep(1), disturbed)
    for step in range(60):
        trainer.save(step, arrays(step))
    deleted = [key for verb, key in disturbed.calls if verb == "delete" and "/chunks/" in key]
    assert len(deleted) == len({*deleted}) > 60
    for key in deleted:
        store.delete(key)
    assert damages(reader()) == [None, None]
    assert max(map(len, deleted)) - min(map(len, deleted)) == len("/20")


@pytest.mark.parametrize("failing", ["put", "create"])
def test_a_save_that_fails_can_be_made_again(process, reader, disturbed, failing):
    trainer = process(Keep(3), disturbed)

    def fail(key: str) -> None:
        raise Unavailable(key)

    disturbed.before[failing] = fail
    with pytest.raises(Unavailable):
        trainer.save(1, arrays(1))
    del disturbed.before[failing]
    assert trainer.save(1, arrays(1)) == 2
    assert [(n, c.step) for n, _, c in reader().lineage.saved()] == [(2, 1)]


def test_a_lineage_that_ends_after_a_lost_answer_keeps_the_checkpoint(
    store, process, reader, disturbed
):
    """The save seemed to fail, its record is there, and the program ends without another save."""
    trainer = process(Keep(3), disturbed)
    trainer.save(1, arrays(1))

    def lose(_key: str) -> None:
        del disturbed.after["create"]
        raise Unavailable("the answer is lost")

    disturbed.after["create"] = lose
    with pytest.raises(Unavailable):
        trainer.save(2, arrays(2))
    trainer.writer.finish(None)
    trainer.writer.sweep()
    assert [c.step for _, _, c in reader().lineage.saved()] == [1, 2]
    assert damages(reader()) == [None, None]
    assert reader().lineage.is_finished


def test_nothing_is_deleted_while_a_record_in_the_log_is_not_known(
    store, process, reader, disturbed
):
    """The lost record is found, and the store fails again before this one is written."""
    trainer = process(Keep(3), disturbed)
    answers = iter([True, False])

    def lose(_key: str) -> None:
        if next(answers, False):
            raise Unavailable("the answer is lost")

    def fail(key: str) -> None:
        if key.endswith("00000003.json"):
            raise Unavailable("the request is lost")

    disturbed.after["create"], disturbed.before["create"] = lose, fail
    with pytest.raises(Unavailable):
        trainer.save(1, arrays(1))
    with pytest.raises(Unavailable):
        trainer.writer.finish(None)
    trainer.writer.sweep()
    assert damages(reader()) == [None]


def test_a_record_that_no_reader_would_accept_is_not_written(process, reader, monkeypatch):
    trainer = process(Keep(1))
    for step in (1, 2):
        trainer.save(step, arrays(step))
    with monkeypatch.context() as limit:
        limit.setattr(log, "MOST_RECORD_BYTES", 1000)
        with pytest.raises(RecordTooLarge, match=r"at most 1000 bytes\. Received: \d{4} bytes\."):
            trainer.save(3, arrays(3))
    assert [c.step for _, _, c in reader().lineage.saved()] == [1, 2]
    trainer.save(4, arrays(4))
    assert damages(reader()) == [None, None]
