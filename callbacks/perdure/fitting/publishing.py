"""Copies files of callbacks to where the user wants to see them, once a checkpoint has them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from perdure.board import Board
from perdure.contract.status import Kind
from perdure.state.files.managed import Captured
from perdure.store import StoreError


def publish(files: Sequence[Captured], board: Board) -> None:
    """In a thread of its own, because no save waits for it; a failure is said on `board`."""
    if files:
        work = partial(_publish, files, board)
        threading.Thread(target=work, name="perdure-files", daemon=True).start()


def _publish(files: Sequence[Captured], board: Board) -> None:
    try:
        for captured in files:
            captured.publish()
    except StoreError as error:
        board.notice_first(
            Kind.CALLBACK_FILES_BEHIND,
            f"files of callbacks could not be copied to where they belong ({error}); this is tried again "
            f"after each save",
        )
