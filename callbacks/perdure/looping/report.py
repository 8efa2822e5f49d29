"""What a loop publishes of itself, and says of its data."""

from __future__ import annotations

from typing import Any

from perdure.attempt import Attempt
from perdure.contract.status import Kind
from perdure.fitting.fit import LOG_SECONDS
from perdure.fitting.inexact import python_code, say_inexact
from perdure.fitting.inputs import changes
from perdure.fitting.logs import learning_rate, numbers
from perdure.fitting.position import Position
from perdure.looping.data import Way


class Report:
    """Tells the board about one loop at `at`, whose learning rate is that of the first optimizer."""

    def __init__(self, attempt: Attempt, at: Position, optimizers: list[Any]) -> None:
        self._board = attempt.board
        self._control = attempt.control
        self._at = at
        self._optimizer = next(iter(optimizers), None)
        self._logged_at = 0.0
        self.epochs_left = 0

    def data(self, way: Way, steps: int | None) -> None:
        """This epoch trains on the data of `way`, of which `steps` batches make an epoch."""
        say_inexact(self._board, way.traits)
        if type(way) is Way and not isinstance(way.data, list):
            sentence = python_code(f"the data is a Python {type(way.data).__name__}")
            self._board.notice(Kind.DATA_UNCERTAIN, sentence)
        length = way.length if steps is None else steps
        before = self._at.step - self._at.batch
        total = None if length is None else before + length * self.epochs_left
        self._board.set(total_steps=total)

    def changes(self, saved: dict[str, Any], way: Way) -> None:
        """The epoch's data is now that of `way`; `saved` is what the dead run had."""
        before = saved.get("inputs")
        for sentence in changes(before, way.inputs) if before else ():
            self._board.notice(Kind.DATA_CHANGED, sentence)

    def logs(self, now: float, logs: dict[str, Any]) -> None:
        """Publish the newest values; reading them waits for the device, so not at every step."""
        if now - self._logged_at < LOG_SECONDS:
            return
        self._logged_at = now
        self._board.measure_rate()
        rate = learning_rate(self._optimizer, self._control.factor)
        self._board.logged({**numbers(logs), **rate})

    def left_early(self) -> None:
        """An epoch's data was left where the next epoch depends on how far it was read."""
        self._board.notice(
            Kind.DATA_NOT_EXACT,
            "an epoch was left before the end of a tf.data pipeline that keeps a cache, or begins a "
            "shuffle while it is read: how far TensorFlow has read ahead by then differs from run to "
            "run, and the next epoch depends on it. Read it to its end, or use perdure.data",
        )
