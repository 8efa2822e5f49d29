"""How much longer train steps take while a save is under way."""

from __future__ import annotations

WEIGHT_OF_NEWEST = 0.05


class Pace:
    """Compares steps during a save with the moving average of those without one.

    The step right after a snapshot is none of them: what it takes longer is measured apart.
    """

    def __init__(self) -> None:
        self._usual: float | None = None
        self._before: float | None = None
        self._lost = 0.0

    def step(self, at: float, *, is_saving: bool) -> None:
        """A step ended at `at`, in seconds on the monotonic clock."""
        before, self._before = self._before, at
        if before is None:
            return
        took = at - before
        if not is_saving:
            usual = took if self._usual is None else self._usual
            self._usual = usual + WEIGHT_OF_NEWEST * (took - usual)
        elif self._usual is not None:
            self._lost += took - self._usual

    def pause(self) -> None:
        """The time until the next step is none of a step alone."""
        self._before = None

    def take_lost_seconds(self) -> float:
        """The seconds lost to saves since the last call: single steps vary, so only the sum counts."""
        lost, self._lost = self._lost, 0.0
        return max(0.0, lost)
