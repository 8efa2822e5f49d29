"""Drains snapshots in the background: training goes on while bytes travel."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from perdure.board import Board, say
from perdure.contract.status import Kind
from perdure.errors import Fenced, StoreUnreachable
from perdure.interval import SECONDS_PER_HOUR
from perdure.lineage.log import WriterFenced
from perdure.lineage.records import Obeyed, now
from perdure.lineage.writer import CheckpointWriter, Saved, Snapshot
from perdure.signals import MARGIN_SECONDS
from perdure.spending import Spending
from perdure.store import Meter, StoreError, Unavailable, Unusable

RETRY_SECONDS = 2.0
RETRY_MOST_SECONDS = 30.0
PAYS_MOST_SECONDS = 600.0  # without a checkpoint much more may be lost than bytes


class TooSlow(StoreUnreachable):
    """The store answers, but a save did not end in time."""


class Saver:
    """One thread that commits one snapshot at a time; a snapshot is never queued behind another."""

    def __init__(
        self, writer: CheckpointWriter, board: Board, meter: Meter | None = None,
        is_leaving: Callable[[], bool] = lambda: False, bytes_per_hour: float = math.inf,
    ) -> None:  # fmt: skip
        """`bytes_per_hour` is what tries that fail may send on average; `is_leaving` ends cleaning."""
        self._writer = writer
        self._board = board
        self._is_leaving = is_leaving
        self._bytes_per_hour = bytes_per_hour
        self._meter = meter or Meter()
        self._sent_before = 0
        self._condition = threading.Condition()
        self._sweeping = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._began = 0.0
        self._error: Exception | None = None
        self._failures_in_a_row = 0
        self._retry_at = self._pays_at = 0.0
        self.spending = Spending(self._meter)
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="perdure-saver", daemon=True)
        self._thread.start()

    @property
    def is_free(self) -> bool:
        """Whether a snapshot would be taken now: none is under way, and no retry is being waited for."""
        return self._snapshot is None and time.monotonic() >= self._retry_at

    @property
    def is_saving(self) -> bool:
        """Whether a snapshot is under way."""
        return self._snapshot is not None

    @property
    def step_under_way(self) -> int | None:
        """The step of the snapshot that is under way, None where there is none."""
        snapshot = self._snapshot
        return None if snapshot is None else snapshot.step

    @property
    def must_retry(self) -> bool:
        """Whether the last save failed, so that the next is due at `may_retry`."""
        return self._failures_in_a_row > 0

    @property
    def may_retry(self) -> bool:
        """Whether the bytes that the last try sent are paid for, as far as that is waited for."""
        return time.monotonic() >= self._pays_at

    @property
    def last(self) -> Saved | None:
        """The newest save that was committed."""
        return self.spending.last

    @property
    def remaining_seconds(self) -> float | None:
        """How long the save under way is expected to take from now on, None where there is none."""
        if self._snapshot is None:
            return None
        return max(0.0, self._began + self.spending.seconds_to_save - time.monotonic())

    def offer(self, snapshot: Snapshot) -> bool:
        """Begin to commit `snapshot`; False, and nothing is done, while another one is under way."""
        with self._condition:
            if self._snapshot is not None:
                return False
            self._snapshot = snapshot
            self._began = time.monotonic()
            self._sent_before = self._meter.sent_bytes
            self._condition.notify_all()
            return True

    def wait(self, seconds: float) -> bool:
        """Wait until no snapshot is under way; False if one still is after `seconds`."""
        with self._condition:
            return self._condition.wait_for(lambda: self._snapshot is None, max(0.0, seconds))

    def note(self, obeyed: Obeyed, seconds: float) -> None:
        """Put a request on record from the calling thread; wait `seconds` for the save under way.

        Raises:
            WriterFenced: another process has taken over the lineage.
            StoreError: the store did not take it; there is a pause before the next is offered.
        """
        with self._condition:
            if not self._condition.wait_for(lambda: self._snapshot is None, max(0.0, seconds)):
                raise Unavailable("the save under way did not end")
            try:
                self._writer.note(obeyed)
            except StoreError:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                raise

    def raise_if_fenced(self) -> None:
        """End the process if another one has taken over the lineage."""
        if isinstance(self._error, WriterFenced):
            raise Fenced(
                f"a newer process has taken over this lineage ({self._error}); this one stops, and "
                f"what it had not committed is left to the newer one"
            )

    def save(self, make: Callable[[], Snapshot], seconds: float) -> Saved:
        """Commit what `make()` gives, retrying until `seconds` are over.

        Raises:
            StoreUnreachable: the store did not answer in time; TooSlow if it did.
            Fenced: another process has taken over.
            Unusable: the store can never take it as things are.
            Exception: what a save failed with that is not the store's: another would fail likewise.
        """
        deadline = time.monotonic() + seconds
        pause = RETRY_SECONDS
        while True:
            if self.wait(deadline - time.monotonic()):
                before, snapshot = self.last, make()
                if not self.offer(snapshot):  # the signal watcher or the train loop was quicker
                    continue
                self._wait_for(snapshot, deadline - time.monotonic())
                if self.last is not before and self.last is not None:
                    return self.last
            self.raise_if_fenced()
            self._raise_if_over(deadline - pause, seconds)
            time.sleep(pause)
            pause = min(2 * pause, RETRY_MOST_SECONDS)

    def _wait_for(self, snapshot: Snapshot, seconds: float) -> None:
        """Wait until `snapshot` is not under way any more."""
        with self._condition:
            self._condition.wait_for(lambda: self._snapshot is not snapshot, max(0.0, seconds))

    def _raise_if_over(self, deadline: float, seconds: float) -> None:
        """End the wait for a save that failed, or that has not ended when time is over."""
        error = self._error
        is_for_good = not isinstance(error, StoreError) or isinstance(error, Unusable)
        if self._snapshot is None and error is not None and is_for_good:
            raise error
        if time.monotonic() < deadline:
            return
        if self._error is None:
            raise TooSlow(f"the save under way did not end within {seconds:.0f} s")
        raise StoreUnreachable(
            f"the store could not be written within {seconds:.0f} s: {self._error}"
        )

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._snapshot is not None)
                snapshot = self._snapshot
            assert snapshot is not None
            try:
                saved, error = self._writer.write(snapshot), None
            except Exception as failure:  # told to the training thread, which decides
                saved, error = None, failure
            on_commit = snapshot.on_commit
            del snapshot
            self._finish(saved, error)
            if saved is not None:
                on_commit()
                self._sweep()

    def _sweep(self) -> None:
        """Delete what retention gave up, as long as no snapshot waits for it and the process stays."""
        with self._sweeping:
            try:
                self._writer.sweep(lambda: self._snapshot is not None or self._is_leaving())
            except Exception as error:  # the next save must not miss its thread
                self._board.notice_first(
                    Kind.CLEANING_FAILED,
                    f"old checkpoints cannot be deleted ({error}); this is tried again after each save",
                )

    def finish_cleaning(self) -> None:
        """Delete what is left to be deleted; the process ends well."""
        self._sweep()

    def _finish(self, saved: Saved | None, error: Exception | None) -> None:
        if saved is not None:
            self._succeeded(saved)
        else:
            assert error is not None
            self._failed(error)
        with self._condition:
            self._error = error
            self._snapshot = None
            self._condition.notify_all()

    def _succeeded(self, saved: Saved) -> None:
        if self._failures_in_a_row:
            say(f"saves commit again; the last one step {saved.committed.step}")
        self._failures_in_a_row = 0
        self.spending.committed(saved)
        self._board.set(
            checkpoint=saved.committed,
            checkpoints=self._board.status().checkpoints + 1,
            uncommitted_since=None,
            grace_needed_seconds=self._grace_needed(),
        )

    def _grace_needed(self) -> float:
        """A notice may come just after a save has begun, in the middle of a step: that step and that save
        are finished, a second save is made, and the process ends.
        """
        rate = self._board.status().steps_per_second
        step = 1 / rate if rate else 0.0
        return round(step + 2 * self.spending.seconds_to_save + MARGIN_SECONDS, 3)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        pause = min(RETRY_SECONDS * 2**self._failures_in_a_row, RETRY_MOST_SECONDS)
        self._failures_in_a_row += 1
        self._retry_at = time.monotonic() + pause
        sent = self._meter.sent_bytes - self._sent_before
        paid = SECONDS_PER_HOUR * sent / self._bytes_per_hour
        self._pays_at = self._retry_at + min(paid, PAYS_MOST_SECONDS)
        if self._failures_in_a_row == 1 and not isinstance(error, WriterFenced):
            self._board.set(uncommitted_since=now())
            self._say_failing(error)

    def _say_failing(self, error: Exception) -> None:
        """Once when it begins: a notice the first time of its kind, a line in the log again later."""
        is_store = isinstance(error, StoreError)
        kind = Kind.STORE_UNAVAILABLE if is_store else Kind.SAVE_FAILED
        what = str(error) if is_store else f"{type(error).__name__}: {error}"
        sentence = f"a save did not commit ({what}); training goes on and saving is retried"
        if not self._board.notice_first(kind, sentence):
            say(f"{kind}: {sentence}")
