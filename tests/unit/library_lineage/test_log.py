"""The log: numbers in order, one writer at a time, whatever the store's answers and listings."""

from __future__ import annotations

import json
import threading

import pytest

from perdure.lineage.log import Absent, Log, WriterFenced
from perdure.lineage.records import Index, RecordKind
from perdure.lineage.table import Damaged
from perdure.store import Exists, Unavailable

PREFIX = "team/digits/1"
CHECKPOINT = RecordKind.CHECKPOINT


def empty(_index: Index) -> dict:
    return {}


def unexpected(number: int, error: Damaged) -> None:
    pytest.fail(f"record {number}: {error}")


def claimed(store: object) -> Log:
    log = Log(store, PREFIX)
    log.claim(empty, unexpected, Index.unfinished)
    return log


def numbers(store: object) -> list[int]:
    return [int(key[-13:-5]) for key in store.list(f"{PREFIX}/log/")]


def drop(log: Log, *dropped: int) -> None:
    """Append a checkpoint as retention does: the index leaves records out, then they are deleted."""
    log.append(CHECKPOINT, {}, drop=dropped)
    for number in dropped:
        log.delete(number)


def once(action: object) -> object:
    """A hook that acts the first time only."""
    waiting = [action]
    return lambda key: waiting.pop()(key) if waiting else None


def raising(error: type[Exception]) -> object:
    def fail(key: str) -> None:
        raise error(key)

    return fail


def test_records_are_appended_in_order(store):
    log = claimed(store)
    kinds = [CHECKPOINT, CHECKPOINT, RecordKind.FINAL, RecordKind.FINISHED]
    written = [log.append(kind, {"n": n}) for n, kind in enumerate(kinds)]
    assert [record.number for record in written] == [2, 3, 4, 5]
    assert next(iter(store.list(""))) == f"{PREFIX}/log/00000001.json"
    assert [log.read(record.number) for record in written] == written
    assert log.index == written[-1].index == Index(1, (2, 3), (4,), 5)


def test_another_reader_has_the_same_index(store):
    log = claimed(store)
    log.append(CHECKPOINT, {})
    other = Log(store, PREFIX)
    other.refresh(unexpected)
    assert other.index == log.index


def test_numbers_of_more_than_eight_digits_are_still_in_order(store):
    log = claimed(store)
    log._last = 99_999_998
    assert [log.append(CHECKPOINT, {}).number for _ in range(3)][-1] == 100_000_001
    other = Log(store, PREFIX)
    other.refresh(unexpected)
    assert other.index.checkpoints[-1] == 100_000_001


def test_a_log_of_nothing_is_empty(store):
    log = Log(store, PREFIX)
    log.refresh(unexpected)
    assert log.index == Index()
    with pytest.raises(Damaged, match="record 1 is missing"):
        log.read(1)


def test_claiming_fences_the_older_writer_for_good(store):
    older = claimed(store)
    older.append(CHECKPOINT, {})
    newer = claimed(store)
    for _ in range(2):
        with pytest.raises(WriterFenced, match="record 3 of team/digits/1"):
            older.append(CHECKPOINT, {})
    assert newer.append(CHECKPOINT, {}).number == 4
    assert newer.index == Index(3, (2, 4))


def test_an_older_writer_stays_fenced_when_retention_has_freed_numbers(store):
    older = claimed(store)
    newer = claimed(store)
    for dropped in ((), (3,), (4,), (5,)):
        drop(newer, *dropped)
    with pytest.raises(WriterFenced):
        older.append(CHECKPOINT, {})
    assert numbers(store) == [1, 2, 6]


def test_a_lost_answer_is_a_success(disturbed):
    """The request is sent again below the interface and finds what it has itself written."""
    log = claimed(disturbed)
    disturbed.after["create"] = once(raising(Exists))
    assert log.append(CHECKPOINT, {}).number == 2
    assert log.append(CHECKPOINT, {}).number == 3
    assert numbers(disturbed) == [1, 2, 3]


def test_a_writer_is_not_fenced_by_its_own_unanswered_request(disturbed):
    """The store has written the record, its answer came too late, and the saver saves again."""
    log = claimed(disturbed)
    disturbed.after["create"] = once(raising(Unavailable))
    with pytest.raises(Unavailable):
        log.append(CHECKPOINT, {"n": 1})
    record = log.append(CHECKPOINT, {"n": 2})
    assert log.index.checkpoints[-1] == record.number


def test_a_request_that_never_arrived_is_sent_again_under_its_number(disturbed):
    log = claimed(disturbed)
    disturbed.before["create"] = once(raising(Unavailable))
    with pytest.raises(Unavailable):
        log.append(CHECKPOINT, {})
    assert log.append(CHECKPOINT, {}).number == 2


def test_a_claim_that_is_overtaken_is_tried_again(store, disturbed):
    older = claimed(store)
    disturbed.before["create"] = once(lambda _key: older.append(CHECKPOINT, {}))
    newer = Log(disturbed, PREFIX)
    assert newer.claim(empty, unexpected, Index.unfinished).number == 3
    assert newer.index == Index(3, (2,))
    with pytest.raises(WriterFenced):
        older.append(CHECKPOINT, {})


@pytest.mark.parametrize("saves", [1, 2, 5])
def test_a_claim_by_an_old_listing_is_given_up(store, disturbed, saves):
    """Between listing and creating, the older writer has saved on and freed the number."""
    older = claimed(store)
    older.append(CHECKPOINT, {})

    def save_on(_key: str) -> None:
        for _ in range(saves + 1):
            drop(older, older.index.checkpoints[-1])

    disturbed.before["create"] = once(save_on)
    newer = Log(disturbed, PREFIX)
    record = newer.claim(empty, unexpected, Index.unfinished)
    assert record.number == saves + 4
    assert newer.index == Index(saves + 4, (saves + 3,))
    assert numbers(store) == [1, saves + 3, saves + 4]
    with pytest.raises(WriterFenced):
        older.append(CHECKPOINT, {})


def test_a_save_after_a_misplaced_claim_is_not_lost(store, disturbed):
    """The older writer also saves between the misplaced creation and the look at the numbers."""
    older = claimed(store)
    older.append(CHECKPOINT, {})
    disturbed.before["create"] = once(lambda _key: [drop(older, n) for n in (2, 3)])
    disturbed.after["create"] = once(lambda _key: older.append(CHECKPOINT, {}))
    newer = Log(disturbed, PREFIX)
    assert newer.claim(empty, unexpected, Index.unfinished).number == 6
    assert newer.index == Index(6, (4, 5))
    assert numbers(store) == [1, 4, 5, 6]


def test_a_misplaced_claim_is_not_taken_for_good_because_of_a_newer_one(store, disturbed):
    """It names checkpoints that are gone, and the newer one does not know of it: both would go on."""
    older = claimed(store)
    older.append(CHECKPOINT, {})
    disturbed.before["create"] = once(lambda _key: [drop(older, n) for n in (2, 3)])
    newest: list[Log] = []
    disturbed.after["create"] = once(lambda _key: newest.append(claimed(store)))
    with pytest.raises(WriterFenced, match="team/digits/1 was claimed by another process"):
        Log(disturbed, PREFIX).claim(empty, unexpected, Index.unfinished)
    assert newest[0].append(CHECKPOINT, {}).number == 6


def test_a_start_that_is_gone_again_is_not_gone_on_from(store):
    """It was misplaced: its process has given it up between our reading of it and of what it says."""
    older = claimed(store)
    newer = Log(store, PREFIX)

    def body_after(index: Index) -> dict:
        if older.index.checkpoints == ():
            older.append(CHECKPOINT, {})
            raise Absent("record 1 is missing")
        return {}

    assert newer.claim(body_after, unexpected, Index.unfinished).number == 3
    with pytest.raises(Absent, match="for good"):
        Log(store, PREFIX).claim(never, unexpected, Index.unfinished)


def never(_index: Index) -> dict:
    raise Absent("for good")


@pytest.mark.parametrize("content", [b"", b"{", b"{}"], ids=["empty", "half", "another document"])
def test_a_damaged_newest_record_keeps_its_number(store, content):
    log = claimed(store)
    log.append(CHECKPOINT, {})
    log.append(CHECKPOINT, {})
    store.put(log.key(3), content)
    damaged: list[int] = []
    newer = Log(store, PREFIX)
    record = newer.claim(empty, lambda number, _error: damaged.append(number), Index.unfinished)
    assert record.number == 4
    assert damaged == [3]
    assert newer.index == Index(4, (2,))


def test_a_lineage_of_damaged_records_only_is_claimed_after_them(store):
    log = claimed(store)
    store.put(log.key(1), b"?")
    record = Log(store, PREFIX).claim(empty, lambda *_: None, Index.unfinished)
    assert (record.number, record.index) == (2, Index(2))


def test_a_record_in_anothers_place_is_damaged(store):
    log = claimed(store)
    log.append(CHECKPOINT, {})
    store.put(log.key(2), store.get(log.key(1)))
    with pytest.raises(Damaged, match="record 2 says that it is record 1"):
        log.read(2)


@pytest.mark.parametrize("reopens", [False, True])
def test_reopening_leaves_out_the_end(store, reopens):
    log = claimed(store)
    for kind in (CHECKPOINT, RecordKind.FINAL, RecordKind.FINAL, RecordKind.FINISHED):
        log.append(kind, {})
    newer = Log(store, PREFIX)
    newer.claim(empty, unexpected, Index.reopened if reopens else Index.unfinished)
    assert newer.index == (Index(6, (2,), (3,)) if reopens else Index(6, (2,), (3, 4)))


def test_reopening_a_lineage_that_is_not_finished_changes_nothing(store):
    log = claimed(store)
    log.append(RecordKind.FINAL, {})
    newer = Log(store, PREFIX)
    newer.claim(empty, unexpected, Index.reopened)
    assert newer.index == Index(3, (), (2,))


def race(log: Log, saves: int, barrier: threading.Barrier, won: list[tuple[int, str]]) -> None:
    barrier.wait()
    try:
        won.append((log.claim(empty, unexpected, Index.unfinished).number, log.writer))
        for _ in range(saves):
            won.append((log.append(CHECKPOINT, {}).number, log.writer))
    except WriterFenced:
        pass


@pytest.mark.parametrize("writers", [2, 5])
def test_racing_writers_have_one_winner_for_each_number(store, writers):
    won: list[tuple[int, str]] = []
    barrier = threading.Barrier(writers)
    threads = [
        threading.Thread(target=race, args=(Log(store, PREFIX), 20, barrier, won))
        for _ in range(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = len(numbers(store))
    assert numbers(store) == [*range(1, last + 1)]
    by_number = dict(won)
    assert len(by_number) == len(won)
    for number in numbers(store):
        record = json.loads(store.get(f"{PREFIX}/log/{number:08d}.json"))
        assert record["writer"] == by_number.get(number, record["writer"])
        assert number in by_number or record["kind"] == "start"  # whose process was fenced at once
    survivor = by_number[last]
    own = [number for number, writer in won if writer == survivor]
    assert own == [*range(last - 20, last + 1)]


class Listing:
    """A store whose next listings are changed on their way."""

    def __init__(self, store: object, change: object, times: int) -> None:
        self._store, self._change, self._times = store, change, times

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def list(self, prefix: str) -> dict[str, int]:
        self._times -= 1
        found = self._store.list(prefix)
        return self._change(found) if self._times >= 0 else found


def renamed(old: str, new: str) -> object:
    return lambda found: {key.replace(old, new): size for key, size in found.items()}


@pytest.mark.parametrize("wrong", ["00000007", "0000000s"])
def test_a_bit_in_a_listing_neither_loses_a_checkpoint_nor_a_number(store, wrong):
    """A record that the listing does not name is looked for; one that it invents is not believed."""
    log = claimed(store)
    for _ in range(2):
        log.append(CHECKPOINT, {})
    for number in (2, 3):
        newer = Log(Listing(store, renamed(log.key(number)[-13:-5], wrong), 1), PREFIX)
        newer.refresh(unexpected)
        assert newer.index == Index(1, (2, 3)) or number == 3
        newer.claim(empty, unexpected, Index.unfinished)
        assert newer.index.checkpoints == (2, 3)
    assert numbers(store) == [1, 2, 3, 4, 5]


def test_a_listing_that_stays_wrong_is_not_believed(store):
    log = claimed(store)
    with pytest.raises(Unavailable, match="the newest is not there"):
        Log(Listing(store, renamed(log.key(1), log.key(9)), 9), PREFIX).refresh(unexpected)


def test_a_store_that_says_wrongly_that_a_record_is_there_is_asked_again(disturbed):
    log = claimed(disturbed)
    disturbed.before["create"] = once(raising(Exists))
    assert log.append(CHECKPOINT, {}).number == 2
    disturbed.before["create"] = raising(Exists)
    with pytest.raises(Unavailable, match="it is there already, but nothing is"):
        log.append(CHECKPOINT, {})
