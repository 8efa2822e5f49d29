"""What the step after a snapshot takes longer: TensorFlow copies what is held before it is written."""

from __future__ import annotations

from collections import deque
from statistics import median

ORDINARY_STEPS = 32  # the newest ones that a step is compared with
LEAST_STEPS = 8


class Excess:
    """Compares the step after a snapshot with the median of ordinary ones. Times are in seconds."""

    def __init__(self) -> None:
        self._ordinary: deque[float] = deque(maxlen=ORDINARY_STEPS)
        self._began: float | None = None
        self._follows_snapshot = False

    def step_ended(self, at: float, *, is_saving: bool) -> float | None:
        """A step ended at `at`, and the next begins; how much longer it took, None if it followed no
        snapshot or there is too little to compare it with.
        """
        began, self._began = self._began, at
        follows_snapshot, self._follows_snapshot = self._follows_snapshot, False
        if began is None:
            return None
        if not follows_snapshot:
            if not is_saving:
                self._ordinary.append(at - began)
            return None
        if len(self._ordinary) < LEAST_STEPS:
            return None
        return max(0.0, at - began - median(self._ordinary))

    def snapshot_taken(self, at: float) -> None:
        """A snapshot was taken, which was done at `at`: the next step begins there."""
        self._began, self._follows_snapshot = at, True

    def pause(self) -> None:
        """The next step is not like others: it begins an epoch."""
        self._began, self._follows_snapshot = None, False
