"""Files that callbacks write: taken when the fit wrote them, put back in one step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perdure.state.files import ManagedFiles, pattern_of


class ModelCheckpoint:
    """Like Keras': recognized by its name and `filepath`."""

    def __init__(self, filepath: Any) -> None:
        self.filepath = filepath


class CSVLogger:
    def __init__(self, filename: str) -> None:
        self.filename = filename


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, content: bytes) -> None:
    """Write a file whose time is another than that of its last version."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    before = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    Path(path).write_bytes(content)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def captured(files: ManagedFiles) -> dict[str, bytes]:
    return {path: content.tobytes() for path, content in files.capture().items()}


@pytest.mark.parametrize(
    ("callback", "pattern"),
    [
        (ModelCheckpoint("best.keras"), "best.keras"),
        (ModelCheckpoint(Path("out") / "best.keras"), "out/best.keras"),
        (ModelCheckpoint("{epoch:02d}-{val_loss:.2f}.keras"), "*-*.keras"),
        (ModelCheckpoint("a[1]*?/{epoch}.keras"), "a[[]1][*][?]/*.keras"),
        (CSVLogger("log.csv"), None),
        (object(), None),
    ],
    ids=lambda value: "" if value is None or isinstance(value, str) else type(value).__name__,
)
def test_pattern(callback, pattern):
    assert pattern_of(callback) == pattern


def test_only_files_that_the_fit_wrote_are_captured(folder):
    for name in ("1.keras", "2.keras", "other.txt"):
        write(name, b"before")
    files = ManagedFiles([ModelCheckpoint("{epoch}.keras"), CSVLogger("other.txt")])
    assert captured(files) == {}
    write("2.keras", b"changed")
    write("3.keras", b"new")
    write("other.txt", b"changed")
    assert captured(files) == {"2.keras": b"changed", "3.keras": b"new"}


def test_the_newest_content_is_captured(folder):
    files = ManagedFiles([ModelCheckpoint("best.keras")])
    for content in (b"first", b"second", b"", b"third"):
        write("best.keras", content)
        assert captured(files) == {"best.keras": content}


def test_what_did_not_change_is_not_read_again(folder):
    files = ManagedFiles([ModelCheckpoint("{epoch}.keras")])
    write("1.keras", b"one")
    first = files.capture()["1.keras"]
    write("2.keras", b"two")
    assert files.capture()["1.keras"] is first


def test_what_was_captured_stays_when_its_file_is_gone(folder):
    files = ManagedFiles([ModelCheckpoint("best.keras")])
    write("best.keras", b"one")
    assert captured(files) == {"best.keras": b"one"}
    Path("best.keras").unlink()
    assert captured(files) == {"best.keras": b"one"}


def test_without_callbacks_that_write_files_there_are_none(folder):
    write("best.keras", b"")
    assert ManagedFiles([CSVLogger("best.keras"), object()]).capture() == {}


@pytest.mark.parametrize("there", [None, b"of a later epoch"], ids=["gone", "changed"])
def test_restore(folder, there):
    content = {"deep/down/best.keras": np.frombuffer(b"saved", np.uint8)}
    if there is not None:
        write("deep/down/best.keras", there)
    files = ManagedFiles([ModelCheckpoint("deep/down/best.keras")])
    files.restore(content)
    assert Path("deep/down/best.keras").read_bytes() == b"saved"
    assert os.listdir("deep/down") == ["best.keras"]
    assert captured(files) == {"deep/down/best.keras": b"saved"}


def test_what_was_put_back_and_then_written_is_captured_anew(folder):
    files = ManagedFiles([ModelCheckpoint("best.keras")])
    files.restore({"best.keras": np.frombuffer(b"saved", np.uint8)})
    write("best.keras", b"better")
    assert captured(files) == {"best.keras": b"better"}


def test_a_file_is_put_back_in_one_step(folder, monkeypatch):
    """Whoever reads it meanwhile sees the old or the new content, never a part."""
    write("best.keras", b"old")
    files = ManagedFiles([ModelCheckpoint("best.keras")])

    def fail(*_: Any) -> None:
        raise OSError("the process is gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="gone"):
        files.restore({"best.keras": np.frombuffer(b"new", np.uint8)})
    assert Path("best.keras").read_bytes() == b"old"


def test_a_file_that_is_put_back_may_be_read_as_the_callbacks_own(folder):
    write("own.keras", b"")
    ManagedFiles([]).restore({"best.keras": np.frombuffer(b"new", np.uint8)})
    assert os.stat("best.keras").st_mode == os.stat("own.keras").st_mode
