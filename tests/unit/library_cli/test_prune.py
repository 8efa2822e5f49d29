"""`perdure checkpoints prune`: what is deleted, what stays, and when nothing is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from small_lineage import JOB, begun, perdure, snapshot, writer_of

from perdure.contract.environment import Job, Keep
from perdure.lineage.lineage import Lineage
from perdure.lineage.log import WriterFenced
from perdure.lineage.records import RecordKind
from perdure.store.local import LocalStore

CHECKPOINT = RecordKind.CHECKPOINT


@pytest.fixture
def finished(lineage: Lineage) -> Lineage:
    """Both fits have ended: final 4 and 6, and record 7 says that all is done."""
    writer_of(lineage).write(snapshot(RecordKind.FINAL, 1, 30))
    lineage.log.append(RecordKind.FINISHED, {"digest": "d"})
    return lineage


def garbage(store: LocalStore, writer: str, count: int = 2) -> None:
    for number in range(count):
        store.put(f"{JOB}/chunks/{writer}/{number:040x}", b"1234")


def keys(store: LocalStore) -> set[str]:
    return {*store.list(f"{JOB}/")}


def numbers(store: LocalStore) -> list[int]:
    return [int(key[-13:-5]) for key in store.list(f"{JOB}/log/")]


def read_anew(store: LocalStore) -> Lineage:
    return Lineage(store, Job.parse(JOB), 1, pytest.fail)


def check_all_is_readable(store: LocalStore) -> None:
    assert perdure(store, "verify").exit_code == 0


def test_chunks_of_dead_processes_go(store, lineage):
    before = keys(store)
    garbage(store, "dead")
    result = perdure(store, "prune")
    assert (result.exit_code, result.stdout) == (0, "2 chunks, 8 B, deleted\n")
    assert keys(store) == before


def test_chunks_of_the_newest_process_stay(store, lineage):
    garbage(store, lineage.log.writer)
    before = keys(store)
    assert perdure(store, "prune").stdout == "0 chunks, 0 B, deleted\n"
    assert keys(store) == before


def test_once_it_has_finished_they_go(store, finished):
    before = keys(store)
    garbage(store, finished.log.writer)
    assert perdure(store, "prune").stdout == "2 chunks, 8 B, deleted\n"
    assert keys(store) == before


def test_what_a_killed_process_had_given_up_goes(store, lineage):
    for step in (30, 40, 50):
        writer_of(lineage).write(snapshot(CHECKPOINT, 1, step))
    assert numbers(store) == [1, 2, 3, 4, 5, 6, 7, 8]
    result = perdure(store, "prune")
    assert result.stdout.splitlines()[:-1] == [
        f"record {number}, given up before, deleted" for number in (2, 3, 5)
    ]
    assert numbers(store) == [1, 4, 6, 7, 8]
    check_all_is_readable(store)


def test_a_second_time_there_is_nothing_to_do(store, finished):
    assert perdure(store, "prune", "--keep", "last=2").exit_code == 0
    before = keys(store)
    assert perdure(store, "prune", "--keep", "last=2").stdout == "0 chunks, 0 B, deleted\n"
    assert keys(store) == before


def test_keep_gives_up_checkpoints_of_a_finished_lineage(store, finished):
    before = perdure(store, "results").stdout
    result = perdure(store, "prune", "--keep", "last=1")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "checkpoint 2 at step 10 deleted", "1 chunk, 36 B, deleted"
    ]  # fmt: skip
    assert numbers(store) == [1, 3, 4, 5, 6, 7, 8]
    assert read_anew(store).is_finished
    assert perdure(store, "results").stdout == before
    check_all_is_readable(store)


def test_the_best_stays(store, lineage):
    writer = writer_of(lineage, Keep(9, "loss", "min"))
    for step, value in ((30, 0.1), (40, 0.5), (50, 0.7)):
        writer.write(snapshot(CHECKPOINT, 1, step, value))
    lineage.log.append(RecordKind.FINISHED, {})
    assert perdure(store, "prune", "--keep", "last=1,best=loss:min").exit_code == 0
    assert read_anew(store).log.index.checkpoints == (6, 7, 8)


def test_an_unfinished_lineage_is_not_taken_from_its_process(store, lineage):
    before = keys(store)
    result = perdure(store, "prune", "--keep", "last=1")
    assert (result.exit_code, result.stdout) == (78, "")
    assert "add --take-over" in result.stderr
    assert keys(store) == before


def test_taking_over_fences_its_process(store, lineage):
    garbage(store, lineage.log.writer)
    writer = writer_of(lineage)
    result = perdure(store, "prune", "--keep", "last=1", "--take-over")
    assert result.stdout.splitlines() == [
        "checkpoint 2 at step 10 deleted", "3 chunks, 44 B, deleted"
    ]  # fmt: skip
    assert read_anew(store).log.index.checkpoints == (3, 5)
    check_all_is_readable(store)
    with pytest.raises(WriterFenced):
        writer.write(snapshot(CHECKPOINT, 1, 60))


def test_another_process_goes_on_after_it(store, lineage):
    perdure(store, "prune", "--keep", "last=1", "--take-over")
    newer = begun(store, pytest.fail)
    point = newer.point_for(1)
    assert point is not None
    assert point.checkpoint.step == 25
    writer_of(newer).write(snapshot(CHECKPOINT, 1, 60))
    check_all_is_readable(store)


def test_a_number_that_was_given_up_is_not_written_by_a_fenced_process(store, lineage):
    late = Lineage(store, Job.parse(JOB), 1, pytest.fail)  # knows records 1 to 5
    perdure(store, "prune", "--keep", "last=1", "--take-over")
    with pytest.raises(WriterFenced):
        late.log.append(CHECKPOINT, {})


@pytest.mark.parametrize("options", [[], ["--keep", "last=1"]])
def test_a_dry_run_changes_nothing(store, lineage, options):
    garbage(store, "dead")
    before = keys(store)
    result = perdure(store, "prune", "--dry-run", *options)
    assert result.exit_code == 0
    assert all(line.endswith("would be deleted") for line in result.stdout.splitlines())
    assert keys(store) == before


@pytest.mark.parametrize("options", [[], ["--keep", "last=1", "--take-over"]])
def test_a_dry_run_says_what_is_done_then(store, lineage, options):
    garbage(store, "dead")
    told = perdure(store, "prune", "--dry-run", *options).stdout
    assert perdure(store, "prune", *options).stdout == told.replace("would be deleted", "deleted")


@pytest.mark.parametrize(
    ("number", "harm"), [(2, "put"), (4, "put"), (5, "put"), (2, "delete"), (4, "delete")]
)
@pytest.mark.parametrize("options", [[], ["--keep", "last=1", "--take-over"]])
def test_as_long_as_something_cannot_be_read_nothing_is_deleted(
    store, lineage, number, harm, options
):
    garbage(store, "dead")
    getattr(store, harm)(lineage.log.key(number), *([b"?"] if harm == "put" else []))
    before = keys(store)
    result = perdure(store, "prune", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Nothing was deleted" in result.stderr
    assert keys(store) == before


def after_call(
    monkeypatch: pytest.MonkeyPatch, method: str, holds: Callable[[str], bool], act: Any
) -> None:
    """Once the store's `method` has been called with a key that `holds`, and no more then: `act()`."""
    original = getattr(LocalStore, method)

    def call(self: LocalStore, key: str, *rest: Any) -> Any:
        result = original(self, key, *rest)
        if holds(key):
            monkeypatch.setattr(LocalStore, method, original)
            act()
        return result

    monkeypatch.setattr(LocalStore, method, call)


def save(lineage: Lineage, *steps: int) -> Callable[[], None]:
    writer = writer_of(lineage)

    def act() -> None:
        for step in steps:
            writer.write(snapshot(CHECKPOINT, 1, step))
            writer.sweep()

    return act


def test_a_checkpoint_that_is_saved_between_list_and_read_stays(store, lineage, monkeypatch):
    after_call(monkeypatch, "list", lambda key: key.endswith("/chunks/"), save(lineage, 30, 40))
    assert perdure(store, "prune").exit_code == 0
    assert read_anew(store).log.index.checkpoints == (5, 6, 7)
    check_all_is_readable(store)


def test_a_process_that_begins_between_list_and_read_keeps_what_it_writes(
    store, lineage, monkeypatch
):
    def another() -> None:
        newer = begun(store, pytest.fail)
        garbage(store, newer.log.writer)
        save(newer, 30)()

    after_call(monkeypatch, "list", lambda key: key.endswith("/chunks/"), another)
    assert perdure(store, "prune").exit_code == 0
    check_all_is_readable(store)


@pytest.mark.parametrize("steps", [(30,), (30, 40), (30, 40, 50)])
def test_checkpoints_that_are_given_up_while_they_are_read_are_no_damage(
    store, lineage, monkeypatch, steps
):
    def once_the_chunks_are_listed() -> None:
        after_call(monkeypatch, "list", lambda key: key.endswith("/log/"), save(lineage, *steps))

    after_call(
        monkeypatch, "list", lambda key: key.endswith("/chunks/"), once_the_chunks_are_listed
    )
    assert perdure(store, "prune").exit_code == 0
    assert len(read_anew(store).log.index.checkpoints) == 3
    check_all_is_readable(store)


def test_a_listing_that_leaves_out_the_newest_record_is_not_believed(store, lineage, monkeypatch):
    original = LocalStore.list

    def short(self: LocalStore, prefix: str) -> dict[str, int]:
        found = original(self, prefix)
        return {key: size for key, size in found.items() if not key.endswith("/00000005.json")}

    before = keys(store)
    monkeypatch.setattr(LocalStore, "list", short)
    result = perdure(store, "prune")
    monkeypatch.undo()
    assert (result.exit_code, keys(store)) == (1, before)
    assert "record 5 is there, but the store did not list it" in result.stderr


def test_who_appends_first_wins(store, lineage, monkeypatch):
    garbage(store, "dead")
    act, create = save(lineage, 30), LocalStore.create

    def late(self: LocalStore, key: str, data: Any) -> None:
        monkeypatch.setattr(LocalStore, "create", create)
        act()
        create(self, key, data)

    monkeypatch.setattr(LocalStore, "create", late)
    result = perdure(store, "prune", "--keep", "last=1", "--take-over")
    assert (result.exit_code, result.stdout) == (75, "")
    assert "Nothing was deleted; try again" in result.stderr
    assert len(store.list(f"{JOB}/chunks/dead/")) == 2
    check_all_is_readable(store)
    save(lineage, 40)()  # it was not fenced


def test_a_number_that_has_become_free_again_is_no_place_for_it(store, lineage, monkeypatch):
    """Record 6 was written and given up between the look and the append."""
    act, create = save(lineage, 30, 40, 50, 60), LocalStore.create

    def late(self: LocalStore, key: str, data: Any) -> None:
        monkeypatch.setattr(LocalStore, "create", create)
        act()
        create(self, key, data)

    monkeypatch.setattr(LocalStore, "create", late)
    result = perdure(store, "prune", "--keep", "last=1", "--take-over")
    assert (result.exit_code, result.stdout) == (75, "")
    assert "record 6 is not the newest" in result.stderr
    assert read_anew(store).log.index.checkpoints == (7, 8, 9)
    check_all_is_readable(store)
    save(lineage, 70)()


@pytest.mark.parametrize("keep", ["last=0", "3", "", "best=loss:min"])
def test_what_is_no_retention_is_refused(store, lineage, keep):
    result = perdure(store, "prune", "--keep", keep)
    assert (result.exit_code, result.stdout) == (78, "")
    assert "PERDURE_KEEP: expected" in result.stderr


def test_without_an_intact_start_nothing_is_deleted(store, lineage):
    store.put(lineage.log.key(1), b"?")
    before = store.list("")
    result = perdure(store, "prune", "--keep", "last=1", "--take-over")
    assert result.exit_code == 78
    assert "Expected an intact start record" in result.stderr
    assert store.list("") == before
