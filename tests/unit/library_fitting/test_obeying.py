"""Obeying between steps: on record first, then in force; what cannot be obeyed is said."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from perdure.board import Board
from perdure.contract.environment import Job, Keep
from perdure.contract.requests import Request, Verb
from perdure.contract.status import Kind
from perdure.control import Control
from perdure.fitting.obeying import ModelControl, Obeying
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Cursor, RecordKind
from perdure.lineage.writer import CheckpointWriter, Snapshot
from perdure.saver import Saver
from perdure.store import Unavailable
from perdure.store.local import LocalStore

AT = Cursor(0, 1, 3)


class Ailing(LocalStore):
    """A folder that cannot be written while `is_ill`, and has another reason each time."""

    is_ill = False
    refused = 0

    def create(self, key: str, data: bytes) -> None:
        if self.is_ill:
            self.refused += 1
            raise Unavailable(f"the folder is ill of {self.refused}")
        super().create(key, data)


class Asked:
    """The saves of a fit, as far as requests see them."""

    def __init__(self) -> None:
        self.asked, self.committed = 0, 0

    def ask(self) -> None:
        self.asked += 1

    def is_committed(self, step: int) -> bool:
        return self.committed >= step


class Running:
    """A fit's live control with real parts around it."""

    def __init__(self, folder: Path) -> None:
        self.store = Ailing(folder)
        self.board = Board("team/digits/1", 1)
        self.lineage = Lineage(self.store, Job("team", "digits", "1"), 1, pytest.fail)
        self.lineage.claim({}, continues=False)
        self.saver = Saver(CheckpointWriter(self.lineage.log, Keep(3)), self.board)
        self.control = Control(self.board)
        self.saves = Asked()
        self.callbacks = [
            keras.callbacks.EarlyStopping(patience=1),
            keras.callbacks.ReduceLROnPlateau(patience=2),
            keras.callbacks.CSVLogger(os.devnull),
        ]
        self.model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        self.model.compile("sgd", "mse")
        self.model.stop_training = False
        self.obeying: Any = Obeying(self, ModelControl(self.model), self.callbacks, self.saves)

    def ask(self, verb: Verb, number: int = 1, **arguments: Any) -> None:
        self.control.newest = Request(number, verb, arguments)

    @property
    def patience(self) -> list[int]:
        return [callback.patience for callback in self.callbacks[:2]]

    @property
    def on_record(self) -> list[tuple[int, Cursor | None]]:
        return [(obeyed.id, obeyed.cursor) for _, obeyed in self.lineage.requests()]

    def notices(self) -> list[tuple[str, str]]:
        return [(notice.kind, notice.message) for notice in self.board.status().notices]


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    return Running(tmp_path / "store")


def test_a_request_is_put_on_record_with_its_place(running):
    running.ask(Verb.FINISH)
    assert not running.model.stop_training
    assert not running.obeying.obey(AT, 8)
    assert running.model.stop_training
    assert running.on_record == [(1, AT)]
    assert running.board.status().request_obeyed == "1"
    assert running.control.state()["applied"] == 1


def test_a_factor_makes_the_train_function_anew(running):
    function = running.model.make_train_function()
    running.ask(Verb.LEARNING_RATE_FACTOR, factor="0.5")
    assert running.obeying.obey(AT, 8)
    assert running.control.factor == 0.5
    assert running.model.train_function is not function
    running.ask(Verb.LEARNING_RATE_FACTOR, 2, factor=0.5)
    assert not running.obeying.obey(AT, 9)


@pytest.mark.parametrize(
    ("name", "after"),
    [(None, [7, 7]), ("EarlyStopping", [7, 2]), ("ReduceLROnPlateau", [1, 7])],
)
def test_patience(running, name, after):
    running.ask(Verb.PATIENCE, patience=7, **({"callback": name} if name else {}))
    running.obeying.obey(AT, 8)
    assert running.patience == after


@pytest.mark.parametrize("name", ["CSVLogger", "NoSuch"])
def test_a_callback_that_has_no_patience_is_refused(running, name):
    running.ask(Verb.PATIENCE, patience=7, callback=name)
    running.obeying.obey(AT, 8)
    ((kind, sentence),) = running.notices()
    assert kind == Kind.REQUEST_REFUSED
    assert "(EarlyStopping, ReduceLROnPlateau)" in sentence
    assert f"Received: {name}" in sentence
    assert (running.patience, running.on_record) == ([1, 2], [])
    assert running.board.status().request_obeyed == "1"


def test_a_store_that_is_ill_lets_a_request_wait(running, monkeypatch):
    monkeypatch.setattr("perdure.saver.RETRY_SECONDS", 0.0)
    running.ask(Verb.FINISH)
    running.store.is_ill = True
    for step in (8, 9):
        running.obeying.obey(Cursor(0, 1, step), step)
    assert not running.model.stop_training
    assert running.board.status().request_obeyed is None
    assert running.store.refused == 2
    assert [kind for kind, _ in running.notices()] == [Kind.STORE_UNAVAILABLE]
    running.store.is_ill = False
    running.obeying.obey(Cursor(0, 1, 10), 10)
    assert running.model.stop_training
    assert running.on_record == [(1, Cursor(0, 1, 10))]


def test_a_store_that_is_ill_is_left_alone_for_a_while(running):
    running.ask(Verb.FINISH)
    running.store.is_ill = True
    running.obeying.obey(AT, 8)
    running.store.is_ill = False
    running.obeying.obey(AT, 8)
    assert not running.model.stop_training


def test_a_save_under_way_is_not_waited_for(running):
    running.ask(Verb.FINISH)
    busy = SimpleNamespace(is_free=False)
    running.obeying._saver, saver = busy, running.obeying._saver
    running.obeying.obey(AT, 8)
    assert not running.model.stop_training
    running.obeying._saver = saver
    running.obeying.obey(AT, 9)
    assert running.model.stop_training


def test_what_was_obeyed_before_comes_before_what_is_new(running):
    for number, place, factor in ((1, 5, "0.5"), (2, 6, "0.25")):
        running.ask(Verb.LEARNING_RATE_FACTOR, number, factor=factor)
        running.obeying.obey(Cursor(0, 0, place), place)
    after = Running.__new__(Running)
    after.__dict__.update(running.__dict__)
    after.control = Control(running.board)
    after.control.know(obeyed for _, obeyed in running.lineage.requests())
    after.obeying = Obeying(after, ModelControl(running.model), running.callbacks, running.saves)
    after.obeying.go_live({"requests": {"applied": 0, "factor": 1.0}})
    after.ask(Verb.FINISH, 3)
    factors = []
    for place in range(4, 8):
        after.obeying.obey(Cursor(0, 0, place), place)
        factors.append((after.control.factor, after.model.stop_training))
    assert factors == [(1.0, False), (0.5, False), (0.25, True), (0.25, True)]
    assert [number for number, _ in after.on_record] == [1, 2, 3]


def test_a_checkpoint_is_asked_for_once_and_reported_when_it_is_there(running):
    running.ask(Verb.CHECKPOINT)
    for step in (8, 9):
        running.obeying.obey(Cursor(0, 1, step), step)
    assert running.saves.asked == 1
    assert running.board.status().request_obeyed is None
    running.saves.committed = 8
    running.obeying.obey(Cursor(0, 1, 10), 10)
    assert running.board.status().request_obeyed == "1"
    assert running.on_record == [(1, None)]
    running.obeying.obey(Cursor(0, 1, 11), 11)
    assert running.saves.asked == 1


def test_a_checkpoint_that_a_newer_request_overtakes_stays_behind_it(running):
    running.ask(Verb.CHECKPOINT)
    running.obeying.obey(AT, 8)
    running.ask(Verb.FINISH, 2)
    running.obeying.obey(AT, 8)
    running.saves.committed = 8
    running.obeying.answer()
    assert running.board.status().request_obeyed == "2"
    assert running.on_record == [(2, AT)]


def test_a_request_beside_a_real_save(running):
    """The record of a request and that of a checkpoint do not get into each other's way."""
    for number in range(1, 20):
        snapshot = Snapshot(RecordKind.CHECKPOINT, Cursor(0, 0, number), number, deque(), {})
        running.saver.wait(20)
        running.saver.offer(snapshot)
        running.ask(Verb.FINISH, number)
        while running.control.waiting is not None:
            running.obeying.obey(Cursor(0, 0, number), number)
    running.saver.raise_if_fenced()
    assert running.saver.failures == 0
    assert running.on_record[-1] == (19, Cursor(0, 0, 19))
