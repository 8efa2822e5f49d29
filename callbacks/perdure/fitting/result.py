"""What came of a fit: whether it was stopped early, by whom, and which epoch was its best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from perdure.attempt import FINISHED
from perdure.contract.environment import Keep
from perdure.contract.exits import Reason
from perdure.contract.status import Ending
from perdure.fitting.logs import number
from perdure.fitting.position import Position


@dataclass(frozen=True)
class Best:
    """The best value of what is monitored, and the epoch that had it, None where that is not known."""

    monitor: str
    epoch: int | None
    value: float


class Outcome:
    """What will have come of the fit of `model` that begins with Keras' `params`.

    The best epoch is that of the EarlyStopping that has stopped it, or of the first one; without one, the
    best of what `keep` monitors, else of the least `val_loss` or `loss`.
    """

    def __init__(
        self, model: Any, callbacks: Sequence[Any], params: dict[str, Any], keep: Keep
    ) -> None:
        self._model = model
        self._stoppings = [c for c in callbacks if isinstance(c, keras.callbacks.EarlyStopping)]
        self._epochs, self._steps = params.get("epochs") or 0, params.get("steps")
        self._keep = keep

    def of(self, at: Position, history: Any, *, in_batch: bool) -> Ending:
        """How a program ends whose last fit ended there, with Keras' `history`; `in_batch`: it was told
        to after a batch.
        """
        stopped = [each for each in self._stoppings if each.stopped_epoch == at.epoch > 0]
        chosen = next(iter([*stopped, *self._stoppings]), None)
        best = best_of_callback(chosen) or best_of_history(history, self._keep)
        if not self._is_early(at, in_batch=in_batch):
            return _ending(Reason.FINISHED, "", best)
        who = type(chosen).__name__ if stopped else "a callback or a request"
        where = f"{who} stopped training in epoch {at.epoch} (from 0) of {self._epochs}"
        return _ending(Reason.EARLY_STOPPED, where + _said(best), best)

    def _is_early(self, at: Position, *, in_batch: bool) -> bool:
        """Whether the fit was told to stop while something was left to train."""
        is_left = at.epoch + 1 < self._epochs or (in_batch and at.batch != self._steps)
        return bool(self._model.stop_training) and is_left


def restored_result(saved: dict[str, Any]) -> Ending:
    """The result of a fit that has ended in an earlier process."""
    return Ending(**saved["result"]) if "result" in saved else FINISHED


def _ending(reason: Reason, message: str, best: Best | None) -> Ending:
    ending = replace(FINISHED, reason=str(reason), message=message)
    if best is None:
        return ending
    return replace(ending, monitor=best.monitor, best_epoch=best.epoch, best_value=repr(best.value))


def _said(best: Best | None) -> str:
    if best is None:
        return ""
    at = "" if best.epoch is None else f" in epoch {best.epoch}"
    return f"; the best {best.monitor} was {best.value:.6g}{at}"


def best_of_callback(stopping: Any) -> Best | None:
    """What an EarlyStopping has found, None if it has seen no value."""
    best = getattr(stopping, "best", None)
    value = None if best is None else number(best)
    return None if value is None else Best(stopping.monitor, int(stopping.best_epoch), value)


def best_of_history(history: Any, keep: Keep) -> Best | None:
    """The best in Keras' History. Where not every epoch has a value, it is not known which had the best."""
    values, epochs = history.history, history.epoch
    every_epoch_validated = len(values.get("val_loss", ())) == len(epochs)
    monitor = keep.monitor or ("val_loss" if every_epoch_validated else "loss")
    numbers = [float(value) for value in values.get(monitor, ()) if np.ndim(value) == 0]
    finite = [value for value in numbers if math.isfinite(value)]
    if not finite:
        return None
    value = max(finite) if keep.mode == "max" else min(finite)
    epoch = epochs[numbers.index(value)] if len(numbers) == len(epochs) else None
    return Best(monitor, epoch, value)
