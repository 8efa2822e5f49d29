"""The file of requests, swapped as a kubelet swaps a projected volume."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure import inbox
from perdure.board import Board
from perdure.contract.requests import Request, Verb
from perdure.contract.status import Kind
from perdure.control import Control


class Projected:
    """A volume whose files are links into a folder that is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "request"
        self._swaps = 0

    def swap(self, text: str | bytes) -> None:
        """What a kubelet does when the annotation has changed."""
        self._swaps += 1
        data = self.folder / f"..{self._swaps}"
        data.mkdir()
        (data / "request").write_bytes(text if isinstance(text, bytes) else text.encode())
        new = self.folder / "..data_tmp"
        new.symlink_to(data.name)
        os.replace(new, self.folder / "..data")
        if not self.path.is_symlink():
            self.path.symlink_to("..data/request")


@pytest.fixture
def volume(tmp_path: Path) -> Projected:
    return Projected(tmp_path)


@pytest.fixture
def control() -> Control:
    return Control(Board("team/digits/1", 1))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.01)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def refusals(control: Control) -> list[str]:
    notices = control._board.status().notices
    return [notice.message for notice in notices if notice.kind == Kind.REQUEST_REFUSED]


def test_without_a_file_there_is_no_thread(control):
    before = threading.active_count()
    inbox.watch(None, control, pytest.fail)
    assert threading.active_count() == before


def test_each_swap_is_seen(volume, control):
    inbox.watch(volume.path, control, pytest.fail)  # the file is not there yet
    for number in (1, 2, 3):
        volume.swap(Request(number, Verb.CHECKPOINT).to_json())
        until(lambda number=number: control.newest == Request(number, Verb.CHECKPOINT))


def test_an_emptied_file_asks_for_nothing_new(volume, control):
    inbox.watch(volume.path, control, pytest.fail)
    volume.swap(Request(1, Verb.FINISH).to_json())
    until(lambda: control.newest is not None)
    volume.swap("")
    volume.swap("\n")
    volume.swap(Request(2, Verb.FINISH).to_json())
    until(lambda: control.newest == Request(2, Verb.FINISH))
    assert refusals(control) == []


def test_what_cannot_be_understood_is_said_once_and_the_next_is_obeyed(volume, control):
    inbox.watch(volume.path, control, pytest.fail)
    volume.swap('{"id": 3, "verb": "explode"}')
    until(lambda: control.seen == 3)
    volume.swap("{")
    until(lambda: len(refusals(control)) == 2)
    volume.swap(b"\xff\xfe")
    until(lambda: len(refusals(control)) == 3)
    volume.swap(Request(4, Verb.FINISH).to_json())
    until(lambda: control.waiting == Request(4, Verb.FINISH))
    assert len(refusals(control)) == 3
    assert control._board.status().request_obeyed == "3"


def test_a_request_to_stop_is_told_until_it_can_be_obeyed(volume, control):
    told: list[Request] = []
    inbox.watch(volume.path, control, told.append)
    volume.swap(Request(5, Verb.STOP).to_json())
    until(lambda: len(told) > 2)
    assert set(map(repr, told)) == {repr(Request(5, Verb.STOP))}
    control.settle(5)
    time.sleep(0.05)
    count = len(told)
    time.sleep(0.1)
    assert len(told) == count
