"""Callbacks of Keras that do what Perdure does, in a way that would harm it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import keras

from perdure.board import Board
from perdure.contract.status import Kind
from perdure.errors import Refused


def without_needless(callbacks: Iterable[Any], board: Board) -> list[Any]:
    """The callbacks without those that Perdure stands in for, each of which is said once.

    Raises:
        Refused: one of them would leave checkpoints that no resumed fit can go on with.
    """
    kept = []
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            board.notice(Kind.CALLBACK_REPLACED, _say_replaced(callback))
            continue
        _refuse_orbax(callback)
        kept.append(callback)
    return kept


def _say_replaced(callback: Any) -> str:
    folder = str(callback.backup_dir)
    found = f" The backup that is in {folder} is not used." if os.path.isdir(folder) else ""
    return (
        f"BackupAndRestore is left out, because Perdure saves and resumes, and a resumed epoch would begin "
        f"from the backup's weights.{found} You can remove it from the script"
    )


def _refuse_orbax(callback: Any) -> None:
    orbax = getattr(keras.callbacks, "OrbaxCheckpoint", None)  # Keras 3.12 has none
    if orbax is not None and isinstance(callback, orbax):
        raise Refused(
            f"callback OrbaxCheckpoint: expected one whose files can be put back when training is resumed. "
            f"Received: OrbaxCheckpoint({str(callback.directory)!r}), which refuses to save a step a second "
            f"time. Use ModelCheckpoint, or leave it out: Perdure keeps checkpoints itself "
            f"(perdure checkpoints export)."
        )
