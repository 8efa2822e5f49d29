"""When a fit saves: on schedule in the background, at its end, and on SIGTERM before the process goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from perdure.attempt import Attempt
from perdure.contract.status import Activity, Kind
from perdure.interval import Progress
from perdure.lineage.records import RecordKind
from perdure.lineage.writer import Snapshot

EXPECTED_SAVE_SECONDS = 1.0

Capture = Callable[[RecordKind], Snapshot]


class Saves:
    """The saves of one fit. Also tells the signal watcher what would be lost."""

    def __init__(self, attempt: Attempt, capture: Capture, step: int) -> None:
        self._attempt = attempt
        assert attempt.saver is not None, "the lineage is taken over before a fit begins"
        self._saver = attempt.saver
        self._schedule = attempt.schedule
        self._capture = capture
        self._committed_before = step
        self._step = step
        self._held: Snapshot | None = None
        self._is_live = self._is_asked = False

    def go_live(self, at: Progress) -> None:
        """Training goes on at `at`, which is in the store or is where the fit begins."""
        self._is_live = True
        self._step = self._committed_before = at.steps
        self._schedule.saved(at)

    def reached(self, step: int) -> None:
        """Step `step` of the lineage was computed."""
        self._step = step

    def between_steps(self, at: Progress) -> None:
        """Save if that is due; end the process if that was asked for."""
        self._saver.raise_if_fenced()
        if self._attempt.signals.is_set:
            self.leave()
        if self._is_due(at):
            self._offer(self._capture(RecordKind.CHECKPOINT), at)

    def _is_due(self, at: Progress) -> bool:
        due = self._is_asked or self._saver.must_retry or self._schedule.is_due(at)
        return due and self._saver.is_free and self._step > self._committed()

    def ask(self) -> None:
        """A save is due now, whatever the schedule says."""
        self._is_asked = True

    def is_committed(self, step: int) -> bool:
        """Whether step `step` is in a checkpoint, or was in the one that this process began from."""
        return self._committed() >= step

    def hold(self) -> None:
        """Keep the state after the epoch's last step while validation and callbacks change it."""
        if self._held is None:
            self._held = self._capture(RecordKind.CHECKPOINT)

    def release(self) -> None:
        """The next epoch begins: its first step supersedes the state that is held."""
        self._held = None

    def end_of_epoch(self, at: Progress, value: float | None, *, is_best: bool) -> None:
        """The epoch's value is known, so its checkpoint can be kept for it."""
        self._saver.raise_if_fenced()
        if self._held is None:
            return
        self._held.value = value
        if self._is_due(at) or (is_best and self._saver.is_free):
            self._offer(_copy(self._held), at)

    def _offer(self, snapshot: Snapshot, at: Progress) -> None:
        self._schedule.saved(at)
        self._is_asked = False
        last = self._saver.last
        if last is not None:
            self._schedule.measure(blocked=snapshot.blocked_seconds, duration=last.seconds)
        self._saver.offer(snapshot)

    def final(self, make: Callable[[], Snapshot]) -> None:
        """Commit the end of the fit; training is over, so it is waited for."""
        with self._attempt.board.during(Activity.SAVING):
            self._saver.save(make, self._attempt.settings.store_deadline_seconds)
        self._committed_before = self._step
        self._held = None

    def leave(self) -> None:
        """Save what is not saved as far as the grace allows, and end the process.

        Raises:
            TrainerExit: always; Preempted or Stopped, unless the store cannot be reached.
        """
        self._attempt.signals.take()
        with self._attempt.board.during(Activity.SAVING):
            saved = self._save_before_leaving(self._attempt.signals.seconds_left(), self._held)
        raise self._attempt.signals.leaving(saved)

    def _save_before_leaving(self, seconds: float, held: Snapshot | None) -> int | None:
        """Finish the save under way, then save the newest state if it fits into what is left."""
        deadline = time.monotonic() + seconds
        self._saver.wait(seconds)
        self._saver.raise_if_fenced()
        if not self.exists():
            return None if self._step == self._committed_before else self._committed()
        left = deadline - time.monotonic()
        if self.seconds_to_save() > left and self._committed() > 0:
            self._attempt.board.notice(
                Kind.GRACE_TOO_SHORT,
                f"a save takes {self.seconds_to_save():.1f} s and {left:.1f} s of the grace are left, so "
                f"the steps after {self._committed()} are lost; set terminationGracePeriodSeconds higher",
            )
            return self._committed()
        make = (
            (lambda: self._capture(RecordKind.CHECKPOINT))
            if held is None
            else (lambda: _copy(held))
        )
        return self._saver.save(make, left).committed.step

    def exists(self) -> bool:
        """Whether steps were trained that are in no checkpoint."""
        return self._is_live and self._step > self._committed()

    def seconds_to_save(self) -> float:
        """How long a save is expected to take: as long as the last one."""
        last = self._saver.last
        return last.seconds if last is not None else EXPECTED_SAVE_SECONDS

    def rescue(self, seconds: float) -> int | None:
        """From the watcher's thread: save the state that is held, else let the save under way finish."""
        if self._held is not None or not self.exists():
            return self._save_before_leaving(seconds, self._held)
        self._saver.wait(seconds)
        return self._committed()

    def _committed(self) -> int:
        last = self._saver.last
        return max(self._committed_before, last.committed.step if last is not None else 0)


def _copy(snapshot: Snapshot) -> Snapshot:
    """The same state, to be drained while the other stays held."""
    return replace(snapshot, tensors=deque(snapshot.tensors))
