"""A fingerprint of every variable after train steps: it tells at which step two runs parted.

`perdure run --prove` adds it to the callbacks of both runs. Each row that it records reads and hashes
all variables, so it is for runs that are to be compared and not for every training.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from perdure.contract.proof import DIGITS
from perdure.lineage.digest import digest
from perdure.state.codec import Array
from perdure.state.reader import VariableReader

MOST_ROWS = 512


class Fingerprints(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the digests of all variables after every train step, later after every second, fourth, ...

    Whenever there are `MOST_ROWS` rows every second one is dropped, and from then on half as many are
    recorded. That depends on the number of steps alone, so two runs have rows of the same steps. The rows
    belong to the callback's state: a resumed run has those of the steps before its checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reader = VariableReader()
        self._begin()

    def _begin(self) -> None:
        self._paths: list[str] = []
        self._places: list[tuple[int, int, int]] = []  # step of the fit, epoch, batch
        self._rows: list[Array] = []
        self._calls = self._step = self._epoch = self._batch = 0
        self._stride = 1

    def on_train_begin(self, logs: Any = None) -> None:
        """A fit begins; what was recorded of the one before is in its end."""
        self._begin()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Epoch `epoch` begins."""
        self._epoch, self._batch = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """The step that `batch` (from 0) was the last batch of is done."""
        self._step += batch + 1 - self._batch
        self._batch = batch + 1
        self._calls += 1
        if self._calls % self._stride == 0:
            self._record()

    def _record(self) -> None:
        tensors = self._reader.read(self.model)
        self._paths = [f"{tensor.group} {tensor.path}" for tensor in tensors]
        self._places.append((self._step, self._epoch, self._batch))
        self._rows.append(np.array([_number(tensor.read()) for tensor in tensors], np.uint64))
        if len(self._rows) == MOST_ROWS:
            self._stride *= 2
            self._places, self._rows = self._places[1::2], self._rows[1::2]

    def get_state(self) -> dict[str, Any]:
        """All rows, as three arrays."""
        return {
            "paths": self._paths,
            "counted": (self._calls, self._stride, self._step, self._epoch, self._batch),
            "places": np.array(self._places, np.int64).reshape(-1, 3),
            "sizes": np.array([row.size for row in self._rows], np.int64),
            "digests": np.concatenate([*self._rows, np.array([], np.uint64)]),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave."""
        self._paths = state["paths"]
        self._calls, self._stride, self._step, self._epoch, self._batch = state["counted"]
        self._places = [tuple(place) for place in state["places"].tolist()]
        self._rows = _split(state["digests"], state["sizes"])


def _split(digests: Array, sizes: Array) -> list[Array]:
    """The rows of `sizes` digests each that lie one after the other in `digests`."""
    return list(np.split(digests, np.cumsum(sizes)[:-1])) if sizes.size else []


def _number(array: Array) -> int:
    """The first bytes of the digest of an array's bytes."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return int(digest(data)[:DIGITS], 16)
