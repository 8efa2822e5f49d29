"""Reads the file of requests in a thread of its own, so that the train loop never waits for it.

Kubernetes swaps the file atomically through a symbolic link. It may be absent or empty: nothing is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from perdure.contract.requests import InvalidRequest, Request, Verb
from perdure.control import Control

POLL_SECONDS = 1.0


def watch(path: Path | None, control: Control, stop: Callable[[Request], None]) -> None:
    """Tell `control` of what is in the file at `path`, and `stop` of a request to stop.

    `stop` is told at every look, until the process is where it can obey.
    """
    if path is not None:
        threading.Thread(
            target=_watch, args=(path, control, stop), name="perdure-requests", daemon=True
        ).start()


def _watch(path: Path, control: Control, stop: Callable[[Request], None]) -> None:
    seen = ""
    while True:
        text = _text(path, control)
        if text != seen:
            seen = text
            _receive(text, control)
        newest = control.newest
        if newest is not None and newest.verb is Verb.STOP and newest.id > control.seen:
            stop(newest)
        time.sleep(POLL_SECONDS)


def _text(path: Path, control: Control) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        control.refuse(f"the file of requests {path} cannot be read: {error}", None)
        return ""


def _receive(text: str, control: Control) -> None:
    if not text:
        return
    try:
        control.newest = Request.from_json(text)
    except InvalidRequest as error:
        control.refuse(str(error), error.id)
