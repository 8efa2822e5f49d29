"""What saves take from the steps of training, told from the times at which steps end."""

from __future__ import annotations

from collections import deque
from statistics import median

ORDINARY_STEPS = 32  # the newest ones that the step after a snapshot is compared with
LEAST_STEPS = 8
WEIGHT_OF_NEWEST = 0.05


class Pace:
    """Compares steps with ordinary ones, during which no save is under way. Times are in seconds on the
    monotonic clock.

    The step right after a snapshot is measured apart, since TensorFlow copies what is held before it is
    written: one step, compared with the median. Further steps during a save are many and differ
    little, so their sum is compared with the moving average.
    """

    def __init__(self) -> None:
        self._ordinary: deque[float] = deque(maxlen=ORDINARY_STEPS)
        self._usual: float | None = None
        self._began: float | None = None
        self._follows_snapshot = False
        self._lost = 0.0

    def step_ended(self, at: float, *, is_saving: bool) -> float | None:
        """A step ended at `at`, and the next begins; how much longer it took, None if it followed no
        snapshot or there is too little to compare it with.
        """
        began, self._began = self._began, at
        follows_snapshot, self._follows_snapshot = self._follows_snapshot, False
        if began is None:
            return None
        if follows_snapshot:
            return self._excess(at - began)
        if is_saving:
            self._lost += at - began - self._usual if self._usual is not None else 0.0
        else:
            self._note_ordinary(at - began)
        return None

    def _excess(self, took: float) -> float | None:
        return (
            max(0.0, took - median(self._ordinary)) if len(self._ordinary) >= LEAST_STEPS else None
        )

    def _note_ordinary(self, took: float) -> None:
        self._ordinary.append(took)
        usual = took if self._usual is None else self._usual
        self._usual = usual + WEIGHT_OF_NEWEST * (took - usual)

    def snapshot_taken(self, at: float) -> None:
        """A snapshot was taken, which was done at `at`: the next step begins there."""
        self._began, self._follows_snapshot = at, True

    def pause(self) -> None:
        """The next step is not like others: it begins an epoch."""
        self._began, self._follows_snapshot = None, False

    def take_lost_seconds(self) -> float:
        """The seconds lost to saves since the last call: single steps vary, so only the sum counts."""
        lost, self._lost = self._lost, 0.0
        return max(0.0, lost)
