"""Drains snapshots in the background: training goes on while bytes travel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from perdure.board import Board, say
from perdure.contract.status import Kind
from perdure.errors import Fenced, StoreUnreachable
from perdure.lineage.log import WriterFenced
from perdure.lineage.records import Obeyed, now
from perdure.lineage.writer import CheckpointWriter, Saved, Snapshot
from perdure.signals import MARGIN_SECONDS
from perdure.store import StoreError, Unavailable

RETRY_SECONDS = 2.0
RETRY_MOST_SECONDS = 30.0


class Saver:
    """One thread that commits one snapshot at a time; a snapshot is never queued behind another."""

    def __init__(self, writer: CheckpointWriter, board: Board) -> None:
        self._writer = writer
        self._board = board
        self._condition = threading.Condition()
        self._sweeping = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._error: Exception | None = None
        self._failures_in_a_row = 0
        self._retry_at = 0.0
        self.last: Saved | None = None
        self.sent_bytes = 0
        self.failures = 0
        self.blocked_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="perdure-saver", daemon=True)
        self._thread.start()

    @property
    def is_free(self) -> bool:
        """Whether a snapshot would be taken now: none is under way, and no retry is being waited for."""
        return self._snapshot is None and time.monotonic() >= self._retry_at

    @property
    def must_retry(self) -> bool:
        """Whether the last save failed, so that the next is due as soon as the saver is free."""
        return self._failures_in_a_row > 0

    def offer(self, snapshot: Snapshot) -> None:
        """Begin to commit `snapshot`; the saver must be free."""
        with self._condition:
            assert self._snapshot is None, "a snapshot is under way"
            self._snapshot = snapshot
            self.blocked_seconds += snapshot.blocked_seconds
            self._condition.notify_all()

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
        if self._error is not None and not isinstance(self._error, StoreError):
            raise self._error

    def save(self, make: Callable[[], Snapshot], seconds: float) -> Saved:
        """Commit what `make()` gives, retrying until `seconds` are over.

        Raises:
            StoreUnreachable: the store did not answer in time.
            Fenced: another process has taken over.
        """
        deadline = time.monotonic() + seconds
        pause = RETRY_SECONDS
        while True:
            self.wait(deadline - time.monotonic())
            before = self.last
            if self._snapshot is None:
                self.offer(make())
                self.wait(deadline - time.monotonic())
            self.raise_if_fenced()
            if self.last is not before and self.last is not None:
                return self.last
            if time.monotonic() + pause >= deadline:
                raise StoreUnreachable(
                    f"the store could not be written within {seconds:.0f} s: "
                    f"{self._error or 'the save under way did not end'}"
                )
            time.sleep(pause)
            pause = min(2 * pause, RETRY_MOST_SECONDS)

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
            del snapshot
            self._finish(saved, error)
            if saved is not None:
                self._sweep()

    def _sweep(self) -> None:
        """Delete what retention gave up, as long as no snapshot waits for it."""
        with self._sweeping:
            try:
                self._writer.sweep(lambda: self._snapshot is not None)
            except StoreError as error:
                self._board.notice(
                    Kind.CLEANING_FAILED,
                    f"old checkpoints cannot be deleted ({error}); this is tried again after each save",
                )

    def finish_cleaning(self) -> None:
        """Delete what is left to be deleted; the process ends well."""
        with self._sweeping:
            pass
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
            say(f"the store can be written again; committed step {saved.committed.step}")
        self._failures_in_a_row = 0
        self.last = saved
        self.sent_bytes += saved.sent
        # A notice may come just after a save has begun: that one is finished, and a second one made.
        status = self._board.status()
        self._board.set(
            checkpoint=saved.committed, checkpoints=status.checkpoints + 1, uncommitted_since=None,
            grace_needed_seconds=round(2 * saved.seconds + MARGIN_SECONDS, 3),
        )  # fmt: skip

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        pause = min(RETRY_SECONDS * 2**self._failures_in_a_row, RETRY_MOST_SECONDS)
        self._failures_in_a_row += 1
        self._retry_at = time.monotonic() + pause
        if isinstance(error, StoreError) and self._board.status().uncommitted_since is None:
            self._board.set(uncommitted_since=now())
            what = "training goes on and saving is retried"
            self._board.notice(Kind.STORE_UNAVAILABLE, f"a save did not commit ({error}); {what}")
