"""What saves have cost so far, and what that foretells of the next one."""

from __future__ import annotations

from collections import deque

from perdure.departure import Speed, speed_of
from perdure.interval import REMEMBERED_SAVES, Cost
from perdure.lineage.writer import Saved
from perdure.store import Meter


class Spending:
    """Counted over the attempt. Written by the saver's and the training thread, each its own numbers.

    `blocked_seconds` are those in which the train loop waited, `excess_seconds` what steps right after a
    snapshot took longer than usual, `slowed_seconds` what further steps did. `sent_bytes` are those
    of committed checkpoints, `known_bytes` those of them that the store had already.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._newest: deque[tuple[int, float]] = deque(maxlen=REMEMBERED_SAVES)
        self._told_of: Saved | None = None
        self._told = Cost()
        self.last: Saved | None = None
        self.blocked_seconds = self.excess_seconds = self.slowed_seconds = 0.0
        self.sent_bytes = self.known_bytes = 0

    def committed(self, saved: Saved) -> None:
        """A save was committed."""
        self.last = saved
        self._newest.append((saved.sent, saved.seconds))
        self.sent_bytes += saved.sent
        self.known_bytes += max(0, saved.committed.bytes - saved.sent)

    @property
    def speed(self) -> Speed:
        """How fast the newest saves were."""
        return speed_of(tuple(self._newest))  # another thread may append meanwhile

    @property
    def seconds_to_save(self) -> float:
        """How long a save is expected to take that sends what the last one sent."""
        return self.speed.seconds_for(self.last.sent if self.last is not None else 0)

    @property
    def has_untold_cost(self) -> bool:
        """Whether a save was committed since the last `take_cost`."""
        return self.last is not self._told_of

    def take_cost(self) -> Cost:
        """What was spent since the last call; a save was committed in between."""
        last = self.last
        assert last is not None, "a save was committed"
        before, self._told_of, self._told = self._told, last, self._spent()
        return Cost(
            self._told.training_seconds - before.training_seconds,
            last.seconds,
            self._told.sent_bytes - before.sent_bytes,
            self._told.requests - before.requests,
        )

    def _spent(self) -> Cost:
        """All that was spent so far; the duration is of no meaning."""
        return Cost(
            self.blocked_seconds + self.excess_seconds + self.slowed_seconds,
            sent_bytes=self._meter.sent_bytes,
            requests=sum(self._meter.requests.values()),
        )
