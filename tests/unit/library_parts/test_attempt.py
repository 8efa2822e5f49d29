"""The attempt and its lineage: when it takes over, and what it knows then."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_lineage import JOB, begun, snapshot, writer_of

from perdure import attempt as module
from perdure.attempt import Attempt
from perdure.lineage.records import Cursor, Obeyed, RecordKind
from perdure.settings import Settings
from perdure.store.local import LocalStore

FINAL, CHECKPOINT = RecordKind.FINAL, RecordKind.CHECKPOINT


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A folder; nothing here is about power cuts, so the disk is not waited for."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    return LocalStore(tmp_path / "store")


@pytest.fixture
def attempt(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Attempt]:
    """Begin an attempt that leaves this process as it is, and that imports no TensorFlow."""
    for part in (module.endings, module.inbox):
        monkeypatch.setattr(part, "watch", lambda *_arguments: None)
    monkeypatch.setattr(module.server, "start", lambda _attempt: None)
    versions = {"keras": "3.15.0", "tensorflow": "2.21.0"}
    monkeypatch.setattr(module.determinism, "environment_fingerprint", lambda: versions)
    environ = {"PERDURE_STORE": store.url, "PERDURE_JOB": JOB}

    def begin() -> Attempt:
        begun = Attempt(Settings.from_environ(environ))
        begun.begin()
        return begun

    return begin


def finished(attempt: Attempt) -> None:
    """Train fit 0 and end."""
    attempt.writer.note(Obeyed(1, "learning-rate-factor", {"factor": "0.5"}, Cursor(0, 0, 1)))
    attempt.writer.write(snapshot(FINAL, 0, 20))
    attempt.finish()


def test_a_finished_lineage_is_left_as_it_is(store, attempt):
    finished(attempt())
    before = store.list("")
    again = attempt()
    assert again.already_finished
    assert again.point_for(0).is_final
    assert again.control.seen == 1
    again.finish()
    assert store.list("") == before


def test_a_further_fit_goes_on_from_what_was_saved_before_the_claim(store, attempt):
    """Another process has taken over since this one found the lineage finished."""
    finished(attempt())
    again = attempt()
    other = begun(store, pytest.fail)
    number = writer_of(other).write(snapshot(CHECKPOINT, 1, 30)).committed.record
    point = again.point_for(1)
    assert (point.number, point.checkpoint.step) == (number, 30)
    assert not again.already_finished
    assert again.point_for(2) is None
    for step in (31, 32, 33):
        again.writer.write(snapshot(CHECKPOINT, 1, step))
    again.writer.sweep()
    assert [c.step for _, _, c in again.lineage.saved()] == [20, 31, 32, 33]


def test_a_further_fit_cleans_up_after_dead_processes(store, attempt):
    finished(attempt())
    again = attempt()
    store.put(f"{JOB}/chunks/dead/abc", b"left")
    again.point_for(1)
    again.writer.write(snapshot(CHECKPOINT, 1, 30))
    again.writer.sweep()
    assert f"{JOB}/chunks/dead/abc" not in store.list("")


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_claim_waits_for_the_store_longer_than_a_save(store, attempt, monkeypatch, is_finished):
    if is_finished:
        finished(attempt())
    patience: list[float] = []
    claim = module.Lineage.claim

    def watched(lineage, *arguments, **options):
        patience.append(lineage.log.write_store._seconds)
        claim(lineage, *arguments, **options)

    monkeypatch.setattr(module.Lineage, "claim", watched)
    again = attempt()
    again.point_for(1)
    assert patience == [again.settings.store_deadline_seconds]
    assert again.lineage.log.write_store._seconds == module.HICCUP_SECONDS


def test_what_is_damaged_is_dropped_with_the_next_save(store, attempt):
    first = attempt()
    good = first.writer.write(snapshot(CHECKPOINT, 0, 1)).committed.record
    first.writer.write(snapshot(CHECKPOINT, 0, 2))
    *_, (_, _, checkpoint) = first.lineage.saved()
    for chunk in checkpoint.chunks():
        store.put(f"{JOB}/chunks/{chunk.name}", b"?")
    second = attempt()
    assert second.point_for(0).number == good
    newest = second.writer.write(snapshot(CHECKPOINT, 0, 3)).committed.record
    assert second.lineage.log.index.checkpoints == (good, newest)
