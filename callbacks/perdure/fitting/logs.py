"""The training log: its numbers, and the one that the best checkpoint is chosen by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from perdure.board import Board
from perdure.contract.environment import Keep
from perdure.contract.status import Kind
from perdure.errors import Refused


def numbers(logs: Any) -> dict[str, float]:
    """The scalars of a training log as Python floats, which hold every float32 exactly."""
    items = logs.items() if isinstance(logs, dict) else ()
    arrays = ((name, np.asarray(value)) for name, value in items)
    return {name: float(array) for name, array in arrays if array.ndim == 0}


def number(value: Any) -> float | None:
    """A value of one element, such as the F1 score of a single class; None of any other."""
    array = np.asarray(value)
    return float(array.item()) if array.size == 1 else None


def values(logs: Any) -> dict[str, Any]:
    """The entries of a training log, off the device: scalars as Python floats, the others as arrays."""
    items = logs.items() if isinstance(logs, dict) else ()
    return {**{name: np.asarray(value) for name, value in items}, **numbers(logs)}


def learning_rate(optimizer: Any, factor: float) -> dict[str, float]:
    """The learning rate in force, the schedule's times `factor`, as a further entry of the log."""
    rate = getattr(optimizer, "learning_rate", None)
    return {} if rate is None else {"learning_rate": float(np.asarray(rate)) * factor}


class Best:
    """Judges epochs by the value that `keep` monitors."""

    def __init__(self, keep: Keep, board: Board) -> None:
        self._keep = keep
        self._board = board
        self._value: float | None = None

    def to_state(self) -> dict[str, Any]:
        """The best value so far and what it is of."""
        return {"value": self._value, "monitored": self._keep.best}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`; a best value of something else counts as none."""
        self._value = state["value"] if state["monitored"] == self._keep.best else None

    def judge(self, logs: dict[str, Any]) -> tuple[float | None, bool]:
        """The monitored value of an epoch, and whether it is the best so far.

        Raises:
            Refused: the log will never have that value.
        """
        if self._keep.monitor is None:
            return None, False
        if logs.get(self._keep.monitor) is None:
            self._miss(self._keep.monitor, logs)
            return None, False
        value = number(logs[self._keep.monitor])
        if value is None:
            raise _not_a_number(self._keep.monitor, logs)
        if not math.isfinite(value):
            return None, False
        is_best = self._value is None or self._is_better(value, self._value)
        self._value = value if is_best else self._value
        return value, is_best

    def _is_better(self, one: float, other: float) -> bool:
        return one < other if self._keep.mode == "min" else one > other

    def _miss(self, monitor: str, logs: dict[str, Any]) -> None:
        """Validation may come in a later epoch; anything else would be there by now."""
        validated = any(name.startswith("val_") for name in logs)
        if validated or not monitor.startswith("val_"):
            raise _missing(monitor, logs)
        self._board.notice(
            Kind.MONITOR_MISSING,
            f"the best checkpoint is chosen by {monitor}, and no validation ran yet",
        )

    def refuse_if_missing(self, history: dict[str, Any]) -> None:
        """At the end of a fit the value must have been there.

        Raises:
            Refused: it never was.
        """
        monitor = self._keep.monitor
        if monitor is not None and monitor not in history:
            raise _missing(monitor, history)


def _not_a_number(monitor: str, logs: dict[str, Any]) -> Refused:
    return Refused(
        f"spec.checkpoint.keep.best.monitor (PERDURE_KEEP): expected a value of one number. Received: "
        f"{monitor!r}, whose shape is {np.shape(logs[monitor])}."
    )


def _missing(monitor: str, logs: dict[str, Any]) -> Refused:
    return Refused(
        f"spec.checkpoint.keep.best.monitor (PERDURE_KEEP): expected one of the training log's values "
        f"({', '.join(sorted(logs))}). Received: {monitor!r}."
    )
