"""When a fit saves: on schedule in the background, at its end, and on SIGTERM before the process goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from perdure.attempt import Attempt
from perdure.board import say
from perdure.contract.status import Activity, Departure, Kind, Leaving
from perdure.departure import Situation, decide
from perdure.fitting.pace import Pace
from perdure.fitting.position import Position
from perdure.interval import Progress
from perdure.lineage.records import RecordKind
from perdure.lineage.writer import Snapshot
from perdure.saver import TooSlow
from perdure.state.reader import OutOfMemory

Capture = Callable[[RecordKind], Snapshot]


class Saves:
    """The saves of one fit. Also tells the signal watcher what would be lost."""

    def __init__(self, attempt: Attempt, capture: Capture, at: Position) -> None:
        self._attempt = attempt
        assert attempt.saver is not None, "the lineage is taken over before a fit begins"
        self._saver = attempt.saver
        self._spending = attempt.saver.spending
        self._schedule = attempt.schedule
        self._capture = capture
        self._at = at
        self._committed_before = at.step
        self._held: Snapshot | None = None
        self._best: Snapshot | None = None
        self._pace = Pace()
        self._is_live = self._is_asked = False

    def go_live(self, at: Progress) -> None:
        """Training goes on at `at`, which is in the store or is where the fit begins."""
        self._is_live = True
        self._committed_before = at.steps
        self._schedule.saved(at)

    def between_steps(self, at: Progress) -> None:
        """Save if that is due; end the process if that was asked for."""
        self._saver.raise_if_fenced()
        if self._attempt.signals.is_set:
            self.leave()
        excess = self._pace.step_ended(at.seconds, is_saving=self._saver.is_saving)
        if excess is not None:
            self._spending.excess_seconds += excess
        if self._spending.has_untold_cost:
            self._measure(at)
        if self._best is not None:
            self._offer_best(at)
        if self._is_due(at):
            snapshot = self._take()
            if snapshot is None:
                self._schedule.saved(at)
            else:
                self._offer(snapshot, at)

    def _take(self) -> Snapshot | None:
        """A snapshot, None where there is no memory for it: then training goes on without this save."""
        try:
            return self._captured(RecordKind.CHECKPOINT)
        except OutOfMemory as error:
            self._attempt.board.notice(Kind.MEMORY_SHORT, f"a save was given up: {error}")
            return None

    def _captured(self, kind: RecordKind) -> Snapshot:
        """A snapshot; training has waited for it, whether it is ever offered or not."""
        snapshot = self._capture(kind)
        self._pace.snapshot_taken(time.monotonic())
        self._spending.blocked_seconds += snapshot.blocked_seconds
        return snapshot

    def _is_due(self, at: Progress) -> bool:
        saver = self._saver
        is_time = saver.may_retry if saver.must_retry else self._schedule.is_due(at)
        due = self._is_asked or is_time
        return due and self._saver.is_free and self._at.step > self._committed()

    def ask(self) -> None:
        """A save is due now, whatever the schedule says."""
        self._is_asked = True

    def is_committed(self, step: int) -> bool:
        """Whether step `step` is in a checkpoint, or was in the one that this process began from."""
        return self._committed() >= step

    def hold(self) -> None:
        """Keep the state after the epoch's last step while validation and callbacks change it."""
        if self._held is None:
            self._held = self._take()

    @property
    def is_holding(self) -> bool:
        """Whether the epoch's last state can be saved whatever training does meanwhile."""
        return self._held is not None

    def release(self) -> None:
        """The next epoch begins: its first step supersedes the state that is held."""
        self._held = None
        self._pace.pause()

    def end_of_epoch(self, at: Progress, value: float | None, *, is_best: bool) -> None:
        """The epoch's value is known, so its checkpoint can be kept for it. The best one is saved as soon
        as the saver is free, whatever the interval; until then it is kept in host memory.
        """
        self._saver.raise_if_fenced()
        if self._spending.has_untold_cost:
            self._measure(at)
        if is_best:
            self._best = None
        self._offer_best(at)
        if self._held is None:
            return
        self._held.value = value
        if self._is_due(at) or (is_best and self._saver.is_free):
            self._offer(self._held.copy(), at)
        elif is_best:
            self._keep_best(self._held)

    def _keep_best(self, held: Snapshot) -> None:
        """Keep it on the host: a device may have no room for it beside the save under way."""
        try:
            self._best = held.on_host()
        except MemoryError:
            self._attempt.board.notice(
                Kind.MEMORY_SHORT,
                f"the best epoch's checkpoint, of step {held.step}, was given up: a save was under way, "
                f"and there is no host memory to keep its values until that has ended",
            )

    def _offer_best(self, at: Progress) -> None:
        """Save the best epoch's state that has waited for the saver."""
        if self._best is not None and self._saver.is_free:
            best, self._best = self._best, None
            self._offer(best, at)

    def _measure(self, at: Progress) -> None:
        """What a save cost that has ended decides when the next one is due."""
        if self._saver.is_saving:
            return
        self._spending.slowed_seconds += self._pace.take_lost_seconds()
        cost = self._spending.take_cost()
        news = self._schedule.measured(cost, at)
        if news is not None:
            say(
                f"saves every {news.seconds:.0f} s from here on ({news.bound}): one takes "
                f"{cost.training_seconds:.3f} s from training and {cost.duration:.1f} s in all, and sends "
                f"{cost.sent_bytes / 1e6:.1f} MB in {cost.requests:.0f} requests"
            )

    def _offer(self, snapshot: Snapshot, at: Progress) -> None:
        self._schedule.saved(at)
        self._is_asked &= snapshot.step < self._at.step
        self._saver.offer(snapshot)

    def final(self) -> None:
        """Commit the end of the fit; training is over, so it is waited for."""
        seconds = self._attempt.settings.store_deadline_seconds
        best, self._best = self._best, None
        with self._attempt.board.during(Activity.SAVING):
            if best is not None:
                self._saver.save(best.copy, seconds)
            self._save_end(seconds)
            self._saver.save(lambda: self._captured(RecordKind.FINAL), seconds)
        self._committed_before = self._at.step
        self._held = None

    def _save_end(self, seconds: float) -> None:
        """A checkpoint of the last epoch's end, before what belongs to the end of a fit has changed the
        state: who trains on goes on from there.
        """
        held = self._held
        self._saver.wait(seconds)
        if held is not None and held.step > self._committed():
            self._saver.save(held.copy, seconds)

    def leave(self) -> None:
        """Save what is not saved as far as the grace allows, and end the process.

        Raises:
            TrainerExit: always; Preempted or Stopped, unless the store cannot be reached. Where the
                process is preempted and a save fails for another reason, Preempted too.
        """
        signals = self._attempt.signals
        signals.take()
        fresh = Leaving.SAVE_FRESH if self._held is None else Leaving.SAVE_HELD
        try:
            with self._attempt.board.during(Activity.SAVING):
                saved = self._save_before_leaving(signals.seconds_left(), fresh)
            leaving = signals.leaving(saved)
        except Exception as error:
            if signals.grace_seconds is None:  # a request stops it, which can fail
                raise
            leaving = signals.despite(error)
        raise leaving

    def rescue(self, seconds: float) -> int | None:
        """From the watcher's thread: save the state that is held, else let the save under way finish."""
        return self._save_before_leaving(seconds, Leaving.SAVE_HELD if self._held else None)

    def _save_before_leaving(self, seconds: float, can_save: Leaving | None) -> int | None:
        """Finish the save under way, then save the newest state if it fits into what is left; what
        fits is told from what is left when the time has come. Returns the step that is saved.
        """
        deadline = time.monotonic() + seconds
        if self._best is not None:
            say(f"the best epoch's state, of step {self._best.step}, has no checkpoint of its own")
        leaving = self._decide(seconds, can_save)
        if self._saver.is_saving:
            self._saver.wait(seconds)
            if self.exists():
                leaving = self._decide(deadline - time.monotonic(), can_save)
        self._saver.raise_if_fenced()
        if leaving in (Leaving.SAVE_FRESH, Leaving.SAVE_HELD, Leaving.TRY_ANYWAY):
            self._try_to_save(deadline - time.monotonic())
        if self.exists():
            self._say_lost(seconds, can_save)
        return self.saved_step()

    def saved_step(self) -> int | None:
        """The newest step in a checkpoint; None where nothing was trained that is not saved."""
        has_trained = self._is_live and self._at.step != self._committed_before
        return self._committed() if has_trained else None

    def _decide(self, left: float, can_save: Leaving | None) -> Leaving:
        """Decide, and put on the board and into the log what was decided, once."""
        is_unsaved, signals, board = self.exists(), self._attempt.signals, self._attempt.board
        left = max(0.0, left)
        decision = decide(
            Situation(
                left_seconds=left,
                remaining_seconds=self._saver.remaining_seconds,
                save_seconds=self._spending.seconds_to_save,
                can_save=can_save if is_unsaved and not self._is_under_way() else None,
                is_unsaved=is_unsaved,
                must_try=self._committed() == 0 or signals.grace_seconds is None,
            )
        )
        before = board.status().departure
        if before is None or before.decision != decision.leaving:
            rate, expected = self._spending.speed.bytes_per_second, decision.expected_seconds
            numbers = (signals.grace_seconds, round(left, 3), round(expected, 3), rate)
            board.set(departure=Departure(decision.leaving, *numbers))
            say(f"{_SENTENCES[decision.leaving]} (expected {expected:.1f} s, left {left:.1f} s)")
        return decision.leaving

    def _is_under_way(self) -> bool:
        """Whether the newest step is in the save under way."""
        return self._saver.step_under_way == self._at.step

    def _try_to_save(self, seconds: float) -> None:
        """Save the newest state; what does not end in time is lost, and that is said by the caller."""
        held = self._held
        with contextlib.suppress(TooSlow, OutOfMemory):
            self._saver.save(
                lambda: self._captured(RecordKind.CHECKPOINT) if held is None else held.copy(),
                seconds,
            )

    def _say_lost(self, seconds: float, can_save: Leaving | None) -> None:
        why = f"a save takes {self._spending.seconds_to_save:.1f} s"
        if can_save is None:
            why = "the train step under way did not end"
        self._attempt.board.notice(
            Kind.GRACE_TOO_SHORT,
            f"{why} and {seconds:.1f} s were left, so the steps after {self._committed()} are lost; set "
            f"terminationGracePeriodSeconds higher",
        )

    def exists(self) -> bool:
        """Whether steps were trained that are in no checkpoint."""
        return self._is_live and self._at.step > self._committed()

    def seconds_to_save(self) -> float:
        """How long a save is expected to take."""
        return self._spending.seconds_to_save

    def _committed(self) -> int:
        last = self._saver.last
        return max(self._committed_before, last.committed.step if last is not None else 0)


_SENTENCES = {
    Leaving.FINISH_SAVE: "the save under way is finished before the process goes",
    Leaving.SAVE_FRESH: "the newest step is saved before the process goes",
    Leaving.SAVE_HELD: "the epoch's last step is saved before the process goes",
    Leaving.TRY_ANYWAY: "nothing is committed yet, so a save is tried before the process goes",
    Leaving.KEEP_COMMITTED: "the process goes with what is committed",
    Leaving.NOTHING_TO_SAVE: "everything is committed, and the process goes",
}
