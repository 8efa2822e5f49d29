"""A lineage as a process finds it: where to go on, and what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from perdure.contract.environment import Job, Keep
from perdure.lineage import lineage as module
from perdure.lineage.lineage import Lineage, next_run
from perdure.lineage.log import NoStart
from perdure.lineage.records import RecordKind
from perdure.lineage.table import chunk_key
from perdure.lineage.verification import verify
from perdure.store import Unusable

FINAL = RecordKind.FINAL


def arrays(step: int) -> dict[str, np.ndarray]:
    return {
        "kernel": np.full(1000, step, np.uint8),
        "bias": np.full(2, step, np.float32),
    }


def damage_chunks(store, process, number):
    checkpoint = next(c for n, _, c in process.lineage.saved() if n == number)
    for chunk in checkpoint.chunks():
        store.put(chunk_key("team/digits/1", chunk), b"?")


def damages(found):
    checkpoints = {number: checkpoint for number, _, checkpoint in found.lineage.saved()}
    return [*verify(found.lineage, checkpoints, lambda _chunk: None).values()]


def damage_record(store, process, number):
    store.put(process.lineage.log.key(number), b"?")


def remove_record(store, process, number):
    store.delete(process.lineage.log.key(number))


def test_a_lineage_that_nobody_began(reader):
    lineage = reader().lineage
    assert not lineage.exists
    assert not lineage.is_finished
    assert lineage.start is None
    assert lineage.point_for(0) is None
    assert lineage.ends_of_fits() == []
    assert lineage.seconds_between_interruptions() is None


def test_reading_writes_nothing(store, reader):
    reader()
    assert not store.root.exists()


def test_the_newest_checkpoint_is_the_point(process, reader):
    trainer = process()
    for step in range(3):
        trainer.save(step, arrays(step))
    point = reader().lineage.point_for(0)
    assert (point.number, point.checkpoint.step, point.is_final) == (4, 2, False)
    np.testing.assert_array_equal(point.arrays[0], arrays(2)["kernel"])
    np.testing.assert_array_equal(point.arrays[1], arrays(2)["bias"])


@pytest.mark.parametrize("damage", [damage_chunks, damage_record, remove_record])
@pytest.mark.parametrize("damaged", [[4], [3, 4], [2, 4], [3]])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    store, process, reader, damage, damaged
):
    trainer = process()
    for step in range(3):
        trainer.save(step, arrays(step))
    for number in damaged:
        damage(store, trainer, number)
    found = reader()
    point = found.lineage.point_for(0)
    assert point.number == max({2, 3, 4} - set(damaged))
    np.testing.assert_array_equal(point.arrays[0], arrays(point.checkpoint.step)["kernel"])


@pytest.mark.parametrize("damage", [damage_chunks, damage_record])
def test_damage_is_said(store, process, reader, damage):
    trainer = process()
    for step in range(2):
        trainer.save(step, arrays(step))
    damage(store, trainer, 3)
    found = reader()
    found.lineage.point_for(0)
    (notice,) = found.notices
    assert "3 is passed over for the one before" in notice


def test_without_an_intact_checkpoint_there_is_no_point(store, process, reader):
    trainer = process()
    trainer.save(0, arrays(0))
    damage_chunks(store, trainer, 2)
    assert reader().lineage.point_for(0) is None


@pytest.mark.parametrize(
    ("fit", "step", "is_final"),
    [
        pytest.param(0, 10, True, id="a fit that has ended"),
        pytest.param(1, 12, False, id="the fit under way"),
        pytest.param(2, None, False, id="a fit that has not begun"),
    ],
)
def test_point_of_each_fit(process, reader, fit, step, is_final):
    trainer = process(Keep(9))
    trainer.save(9, arrays(9), fit=0)
    trainer.save(10, arrays(10), fit=0, kind=FINAL)
    trainer.save(11, arrays(11), fit=1)
    trainer.save(12, arrays(12), fit=1)
    point = reader().lineage.point_for(fit)
    if step is None:
        assert point is None
    else:
        assert (point.checkpoint.step, point.is_final) == (step, is_final)


def test_a_damaged_end_is_passed_over_for_the_fits_newest_checkpoint(store, process, reader):
    trainer = process()
    trainer.save(9, arrays(9))
    damage_chunks(store, trainer, trainer.save(10, arrays(10), kind=FINAL))
    point = reader().lineage.point_for(0)
    assert (point.checkpoint.step, point.is_final) == (9, False)


def test_ends_of_fits_and_their_digest(process, reader):
    trainer = process()
    trainer.save(1, arrays(1), fit=0, kind=FINAL)
    trainer.save(2, arrays(2), fit=1, kind=FINAL)
    lineage = reader().lineage
    assert [checkpoint.step for checkpoint in lineage.ends_of_fits()] == [1, 2]
    digest = lineage.result_digest()
    assert digest == process().lineage.result_digest(), "whoever reads it"
    trainer = process()
    trainer.save(3, arrays(3), fit=1, kind=FINAL)
    assert [checkpoint.step for checkpoint in reader().lineage.ends_of_fits()] == [1, 3]
    assert reader().lineage.result_digest() != digest


def test_damage_of_a_newest_record_that_dropped_others_is_said_once(store, process, reader):
    """The index before it still names what it dropped: that they are gone is no damage."""
    trainer = process(Keep(1))
    for step in range(4):
        trainer.save(step, arrays(step))
    damage_record(store, trainer, 5)
    found = reader()
    assert found.lineage.point_for(0).number == 4
    assert len(found.notices) == 1


@pytest.mark.parametrize("saves", [0, 1, 3])
def test_a_lineage_recovers_from_damage(store, process, reader, saves):
    """What the damaged record had dropped is in no index of the processes that follow."""
    trainer = process(Keep(1))
    for step in range(4):
        trainer.save(step, arrays(step))
    damage_record(store, trainer, 5)
    trainer = process(Keep(1))
    for step in range(saves):
        trainer.save(10 + step, arrays(10 + step))
    found = reader()
    assert found.lineage.point_for(0) is not None
    assert len([*found.lineage.saved()]) == len(found.lineage.log.index.checkpoints)
    assert found.notices == []


def test_a_checkpoint_with_damaged_chunks_takes_no_place_of_a_good_one(store, process, reader):
    """The newest two are damaged, and two stay: what was gone on from is one of them."""
    trainer = process(Keep(3))
    numbers = [trainer.save(step, arrays(step)) for step in range(3)]
    for number in numbers[1:]:
        damage_chunks(store, trainer, number)
    trainer = process(Keep(1))
    newest = trainer.save(10, arrays(10))
    found = reader()
    assert found.lineage.log.index.checkpoints == (numbers[0], newest)
    assert found.lineage.point_for(0).number == newest
    assert damages(found) == [None, None]


def test_a_damaged_best_checkpoint_is_not_kept_for_its_value(store, process, reader):
    keep = Keep(1, "loss", "min")
    trainer = process(keep)
    numbers = [trainer.save(step, arrays(step), value=1.0 - step / 10) for step in range(3)]
    damage_chunks(store, trainer, numbers[2])
    trainer = process(keep)
    later = [trainer.save(step, arrays(step), value=5.0) for step in (10, 11, 12)]
    assert reader().lineage.log.index.checkpoints == (numbers[1], *later[1:])


def test_a_damaged_end_stays(store, process, reader):
    trainer = process()
    first = trainer.save(9, arrays(9))
    end = trainer.save(10, arrays(10), kind=FINAL)
    damage_chunks(store, trainer, end)
    trainer = process()
    trainer.save(10, arrays(10))
    index = reader().lineage.log.index
    assert (index.finals, index.checkpoints[0]) == ((end,), first)
    assert trainer.lineage.log.read(end).number == end


def test_starts_are_counted_and_the_beginning_stays(process, reader):
    began = process().lineage.start["began"]
    process()
    start = process().lineage.start
    assert (start["began"], start["starts"]) == (began, 3)
    assert reader().lineage.start == start
    assert reader().lineage.starts == 3


@pytest.mark.parametrize("damage", [damage_record, remove_record])
def test_a_damaged_start_is_passed_over_for_the_one_before(store, process, reader, damage):
    first = process().lineage.start
    trainer = process()
    trainer.save(1, arrays(1))
    damage(store, trainer, 2)
    found = reader()
    assert found.lineage.start == first
    assert "record 2 is passed over for the one before" in found.notices[0]
    assert found.lineage.point_for(0).checkpoint.step == 1
    assert process().lineage.starts == 2


def test_a_lineage_without_an_intact_start_is_refused(store, process, reader):
    """Its seed is lost, so nothing could go on exactly; what was saved stays."""
    trainer = process()
    trainer.save(1, arrays(1))
    damage_record(store, trainer, 1)
    with pytest.raises(NoStart, match=r"Restore team/digits/1/log/00000001\.json from a backup"):
        reader().begin()
    assert len(store.list("team/digits/1/log/")) == 2


def test_checkpoints_without_an_intact_start_can_be_read(store, process, reader):
    trainer = process()
    trainer.save(1, arrays(1))
    damage_record(store, trainer, 1)
    found = reader()
    assert [checkpoint.step for _, _, checkpoint in found.lineage.saved()] == [1]
    assert found.lineage.exists
    with pytest.raises(Unusable):
        _ = found.lineage.start


def test_no_process_has_begun_on_a_lineage_that_is_not_there(reader):
    assert reader().lineage.starts == 0


def test_a_process_that_began_since_the_log_was_read_is_counted(process, reader):
    later = reader()
    for _ in range(2):
        process()
    assert later.begin().lineage.starts == 3


def test_starts_outlive_retention(process):
    for _ in range(4):
        trainer = process(Keep(1))
        for step in range(5):
            trainer.save(step, arrays(step))
    assert trainer.lineage.starts == 4


@pytest.mark.parametrize(
    ("starts", "age", "seconds"), [(1, 600, 600), (4, 600, 150), (3, 0, 1.0), (2, -60, 1.0)]
)
def test_seconds_between_interruptions(process, reader, monkeypatch, starts, age, seconds):
    for _ in range(starts):
        process()
    lineage = reader().lineage
    began = datetime.fromisoformat(lineage.start["began"])
    later = (began + timedelta(seconds=age)).astimezone(UTC).isoformat()
    monkeypatch.setattr(module, "now", lambda: later)
    assert lineage.seconds_between_interruptions() == seconds


def finish(store, job: Job) -> None:
    lineage = Lineage(store, job, 1, pytest.fail)
    lineage.claim({}, continues=False)
    lineage.log.append(RecordKind.FINISHED, {})


@pytest.mark.parametrize(
    ("finished", "unfinished", "run"),
    [
        pytest.param([], [], "1", id="nothing is there"),
        pytest.param([], ["1"], "1", id="unfinished"),
        pytest.param(["1"], [], "2", id="finished"),
        pytest.param(["1"], ["2"], "2", id="the second is unfinished"),
        pytest.param(["1", "2"], [], "3", id="both are finished"),
        pytest.param(["2", "10"], [], "11", id="numbers, not words"),
        pytest.param(["10"], ["9"], "11", id="only the newest counts"),
        pytest.param(["other"], [], "1", id="runs with names are not counted"),
    ],
)
def test_next_run(store, finished, unfinished, run):
    for name in finished:
        finish(store, Job("local", "train", name))
    for name in unfinished:
        Lineage(store, Job("local", "train", name), 1, pytest.fail).claim({}, continues=False)
    finish(store, Job("local", "train2", "7"))
    assert next_run(store, Job("local", "train")) == Job("local", "train", run)
