"""A callback that sends this process a real signal after a given number of train batches."""

from __future__ import annotations

import os

import keras


class Disturb(keras.callbacks.Callback):
    """Counts the train batches that this process computes; `KILL_AFTER` and `KILL_SIGNAL` say when, or
    variables with another prefix.
    """

    def __init__(self, prefix: str = "KILL") -> None:
        super().__init__()
        self.seen = 0
        self._after = int(os.environ.get(f"{prefix}_AFTER", "0"))
        self._signal = int(os.environ.get(f"{prefix}_SIGNAL", "0"))

    def get_state(self) -> None:
        """Nothing of it belongs to the training."""

    def set_state(self, state: None) -> None:
        """Nothing was saved."""

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self._after:
            os.kill(os.getpid(), self._signal)
