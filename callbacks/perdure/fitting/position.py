"""Where a fit stands: counted by the walk and by training alike."""

from __future__ import annotations

import time

from perdure.interval import Progress
from perdure.lineage.records import Cursor


class Position:
    """Epoch, batches of it that are done, and steps of the lineage that are done: by this process
    `trained` or `replayed`.
    """

    def __init__(self, fit: int, step: int) -> None:
        self.fit = fit
        self.step = step
        self.epoch = self.batch = 0
        self.trained = self.replayed = 0
        self.stepped_at = 0.0

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch` begins."""
        self.epoch, self.batch = epoch, 0

    def train(self, count: int) -> None:
        """`count` more batches were computed."""
        self.batch += count
        self.step += count
        self.trained += count
        self.stepped_at = time.monotonic()

    def replay(self, count: int) -> None:
        """`count` more batches were passed over."""
        self.batch += count
        self.step += count
        self.replayed += count

    @property
    def cursor(self) -> Cursor:
        """The position as checkpoints name it."""
        return Cursor(self.fit, self.epoch, self.batch)

    def progress(self, *, epoch_is_done: bool = False) -> Progress:
        """The position as schedules count it."""
        return Progress(time.monotonic(), self.step, self.epoch + int(epoch_is_done))
