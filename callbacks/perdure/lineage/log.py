"""The append-only log of a lineage, with fencing of older writers.

Record n+1 is created only if nobody has created it. A process begins with a `start` record: an older
process that is still alive then finds its next number taken and must stop.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from perdure.lineage.records import MOST_RECORD_BYTES, Index, Record, RecordKind
from perdure.lineage.table import Damaged
from perdure.store import Exists, Missing, Store, TooLarge, Unavailable, Unusable

TRIES = 3
_NAME = re.compile(r"(\d{8,})\.json")


class Absent(Damaged):
    """A record that is not there."""


class NoStart(Unusable):
    """No start record is intact, so nobody knows the seed of the training; its checkpoints may be intact."""


class RecordTooLarge(Exception):
    """A record that no reader would accept; it was not written."""


class WriterFenced(Exception):
    """Another process has appended to the lineage: this one must write no more."""


class Log:
    """A lineage's log below `prefix` of `store`, as one process sees it."""

    def __init__(self, store: Store, prefix: str, *, attempt: int = 1) -> None:
        self.store = store
        self.write_store = store
        self.prefix = prefix
        self.attempt = attempt
        self.writer = uuid.uuid4().hex
        self.index = Index()
        self.unanswered: list[Record] = []
        self._last = 0
        self._lock = threading.Lock()  # records are appended while others are being deleted

    @property
    def newest(self) -> int:
        """The number of the newest record when the log was read or appended to, 0 without one."""
        return self._last

    def is_newest(self, number: int) -> bool:
        """Whether record `number` is the newest in the store now."""
        return self._numbers()[-1] == number

    def key(self, number: int) -> str:
        """The key of record `number`."""
        return f"{self.prefix}/log/{number:08d}.json"

    def refresh(self, on_damage: Callable[[int, Damaged], None]) -> None:
        """Read the newest intact index; damaged records keep their numbers and are reported.

        An older index names checkpoints that the damaged record had dropped; those are left out.

        Raises:
            Unavailable: the listing names a newest record that is not there.
        """
        for _ in range(TRIES):
            numbers = self._numbers()
            try:
                self.index = self._newest_index(numbers, on_damage)
            except Absent:  # given up since, or a bit of the listing was changed on its way
                continue
            self._last = numbers[-1] if numbers else 0
            return
        raise Unavailable(
            f"Expected the records of {self.prefix} that the store lists. Received: the newest is not there."
        )

    def _newest_index(self, numbers: list[int], on_damage: Callable[[int, Damaged], None]) -> Index:
        for number in reversed(numbers):
            try:
                index = self.read(number).index
            except Damaged as error:
                if number == numbers[-1] and isinstance(error, Absent):
                    raise
                on_damage(number, error)
                continue
            gone = {*index.checkpoints, *index.requests, *index.dropped} - {*numbers}
            if number == numbers[-1]:
                gone -= self._there_all_the_same(gone - {*index.dropped}, on_damage)
            return index.without(gone)
        return Index()

    def _there_all_the_same(
        self, unlisted: set[int], on_damage: Callable[[int, Damaged], None]
    ) -> set[int]:
        """Those of `unlisted` that can be read: no checksum protects a listing."""
        lost = {number for number in unlisted if self._present(number) is None}
        for number in sorted(lost):
            on_damage(number, Absent("it is missing"))
        return unlisted - lost

    def _numbers(self) -> list[int]:
        names = (key.rsplit("/", 1)[1] for key in self.store.list(f"{self.prefix}/log/"))
        matches = (_NAME.fullmatch(name) for name in names)
        return sorted(int(match[1]) for match in matches if match)

    def read(self, number: int) -> Record:
        """Read record `number`.

        Bytes that were damaged on their way only are intact when they are read again.

        Raises:
            Absent: it is not there.
            Damaged: it is not intact.
            OtherSchema: it is of another version of Perdure.
        """
        for _ in range(TRIES - 1):
            try:
                return self._read(number)
            except Absent:
                raise
            except Damaged:
                continue
        return self._read(number)

    def start(self, newest: int, on_damage: Callable[[int, Damaged], None]) -> Record:
        """The `start` record `newest`; the one before, as long as they are damaged.

        Raises:
            NoStart: none of them is intact.
        """
        older = [number for number in reversed(self._numbers()) if number < newest]
        for number in [newest, *older]:
            try:
                record = self.read(number)
            except Damaged as error:
                on_damage(number, error)
                continue
            if record.kind is RecordKind.START:
                return record
        raise NoStart(
            f"Expected an intact start record in {self.prefix}, with the seed of the training. Received: "
            f"none. Restore {self.key(newest)} from a backup, or use a new spec.run (PERDURE_JOB)."
        )

    def _read(self, number: int) -> Record:
        try:
            record = Record.decode(bytes(self.store.get(self.key(number), MOST_RECORD_BYTES)))
        except Missing as error:
            raise Absent(f"record {number} is missing") from error
        except TooLarge as error:
            raise Damaged(f"record {number} is no record: {error}") from error
        if record.number != number:
            raise Damaged(f"record {number} says that it is record {record.number}")
        return record

    def claim(
        self,
        body_after: Callable[[Index], dict[str, Any]],
        on_damage: Callable[[int, Damaged], None],
        goes_on_from: Callable[[Index], Index],
    ) -> Record:
        """Append a `start` record, which fences every writer before this one.

        `goes_on_from` gives the index to go on from for the one that is found, and `body_after` the
        record's body for that: another writer may have claimed since the log was read.

        Start records are never deleted, so the number after an older writer's last one stays taken.
        Numbers of checkpoints that were dropped are free again: one that was claimed by a listing
        that had grown old meanwhile is not the newest, and is given up.

        Raises:
            WriterFenced: yet another process has claimed at the same time, and goes on.
        """
        while True:
            self.refresh(on_damage)
            self.index = goes_on_from(self.index)
            try:
                record = self.append(RecordKind.START, body_after(self.index))
            except WriterFenced:
                continue
            except Absent:  # the start that is gone on from: it was misplaced, and given up
                if self.is_newest(self.newest):
                    raise
                continue
            if self._was_newest(record.number):
                return record
            self.write_store.delete(self.key(record.number))

    def _was_newest(self, number: int) -> bool:
        """Whether our start `number` was the newest record when it was created.

        Who has written on with an older start has not seen ours. A newer start may have or not; its
        process goes on either way, and ours stays where it is: it may keep an older writer out.
        """
        newest = self._numbers()[-1]
        if newest == number:
            return True
        record = self._present(newest)
        if record is not None and (record.index.start or 0) < number:
            return False
        raise WriterFenced(f"{self.prefix} was claimed by another process just after this one")

    def append(self, kind: RecordKind, body: dict[str, Any], *, drop: Iterable[int] = ()) -> Record:
        """Append a record; its index leaves out the records `drop`, which may be deleted then.

        Raises:
            WriterFenced: the next number was taken by another writer.
            Unavailable: the store did not answer. The record may be there all the same; the next
                append then finds it.
            RecordTooLarge: no reader would accept it; nothing was written or dropped.
        """
        with self._lock:
            while True:
                number = self._last + 1
                index = self.index.dropping(drop).with_record(kind, number)
                record = Record(number, kind, self.writer, self.attempt, index, body)
                present = self._create(record)
                self._last, self.index = number, present.index
                if present.id == record.id:
                    return record
                self.unanswered.append(present)

    def _create(self, record: Record) -> Record:
        """Create `record`; what stands under its number then, if this process wrote that."""
        data = _encoded(record)
        for _ in range(TRIES):
            present = self._try_to_create(record, data)
            if present is not None:
                return present
        raise Unavailable(
            f"Expected to create record {record.number} of {self.prefix}. Received: it is there already, "
            f"but nothing is."
        )

    def _try_to_create(self, record: Record, data: bytes) -> Record | None:
        """None if the store says that there is a record of this number, and there is none."""
        try:
            self.write_store.create(self.key(record.number), data)
            return record
        except Exists:
            present = self._present(record.number)
            if present is None and record.number > max(self._numbers(), default=0):
                return None
            if present is None or present.writer != self.writer:
                raise WriterFenced(
                    f"record {record.number} of {self.prefix} was written by another process"
                ) from None
            return present

    def _present(self, number: int) -> Record | None:
        try:
            return self.read(number)
        except Damaged:
            return None

    def delete(self, number: int) -> None:
        """Delete a record that was given up; the next index does not name it any more."""
        self.write_store.delete(self.key(number))
        with self._lock:
            self.index = self.index.without({number})


def _encoded(record: Record) -> bytes:
    data = record.encode()
    if len(data) > MOST_RECORD_BYTES:
        raise RecordTooLarge(
            f"Expected a {record.kind} record of at most {MOST_RECORD_BYTES} bytes. Received: {len(data)} "
            f"bytes. If a callback keeps much, let it keep NumPy arrays, which are "
            f"saved beside the record, or give it a get_state that leaves out what it can do without."
        )
    return data
