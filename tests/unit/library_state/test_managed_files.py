"""Files that callbacks write: what belongs to a fit, comes into its checkpoints, and is put back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perdure.state.files import contents
from perdure.state.files.contents import Changed
from perdure.state.files.managed import ManagedFiles
from perdure.state.files.places import Models, Place, Rows


class ModelCheckpoint:
    """Like Keras', as far as files go."""

    def __init__(self, filepath: Any) -> None:
        self.filepath = filepath


class CSVLogger:
    def __init__(self, filename: str, *, append: bool = False) -> None:
        self.filename = filename
        self.append = append


class Folder(Place):
    """Files that grow, in a folder that others may use as well."""

    attribute = "filename"
    can_append = True

    @property
    def journal(self) -> str:
        return f"{self.target}/.perdure"

    def paths(self) -> list[str]:
        return sorted(str(path) for path in Path(self.target).glob("*.log"))

    def grows(self, path: str) -> bool:
        return True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, content: bytes) -> None:
    """Write a file whose time is another than that of its last version."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    before = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    Path(path).write_bytes(content)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def append(path: str, content: bytes) -> None:
    with open(path, "ab") as file:
        file.write(content)


class Checkpoint:
    """What a checkpoint keeps: it is made at once, as if drained before the next step."""

    def __init__(self, files: ManagedFiles) -> None:
        captured = files.capture()
        self.saved = [part.entry for part in captured]
        self.tensors = [tensor for part in captured for tensor in part.tensors]
        self.arrays = {tensor.path: tensor.read() for tensor in self.tensors}

    @property
    def files(self) -> Mapping[str, Any]:
        (entry,) = self.saved
        return entry["files"]


def bytes_of(checkpoint: Checkpoint) -> dict[str, bytes]:
    """Path and bytes of what a checkpoint has."""
    found = {}
    for path, entry in checkpoint.files.items():
        parts = [a for name, a in checkpoint.arrays.items() if name.startswith(entry["id"])]
        found[path] = b"".join(part.tobytes() for part in parts)
    return found


def begun(place: Place, fit: str = "a fit") -> ManagedFiles:
    files = ManagedFiles([place])
    files.begin(fit)
    return files


def resumed(place: Place, checkpoint: Checkpoint) -> ManagedFiles:
    """What a process does that goes on from a checkpoint."""
    files = ManagedFiles([place])
    files.resume(checkpoint.saved)
    files.restore(checkpoint.saved, checkpoint.arrays)
    return files


@pytest.mark.parametrize(
    ("template", "those", "others"),
    [
        ("best.keras", ["best.keras"], ["best1.keras", "best.keras.old"]),
        ("out/best.keras", ["out/best.keras"], ["best.keras"]),
        (
            "{epoch:02d}-{val_loss:.2f}.keras",
            ["01-0.25.keras", "12-nan.keras", "100--1e-05.keras"],
            ["final-0.25.keras", "01-.keras", "a/01-0.25.keras"],
        ),
        ("a[1]*?/{epoch}.keras", ["a[1]*?/3.keras"], ["a1xy/3.keras"]),
    ],
)
def test_files_of_a_template(template, those, others):
    for path in (*those, *others):
        write(path, b"")
    assert Models(ModelCheckpoint(template)).paths() == sorted(those)


def test_only_files_that_the_fit_wrote_are_captured():
    for name in ("1.keras", "2.keras"):
        write(name, b"before")
    files = begun(Models(ModelCheckpoint("{epoch}.keras")))
    assert Checkpoint(files).files == {}
    write("2.keras", b"changed")
    write("3.keras", b"new")
    assert bytes_of(Checkpoint(files)) == {"2.keras": b"changed", "3.keras": b"new"}


def test_the_newest_content_is_captured():
    files = begun(Models(ModelCheckpoint("best.keras")))
    for content in (b"first", b"second", b"", b"third"):
        write("best.keras", content)
        assert bytes_of(Checkpoint(files)) == {"best.keras": content}


def test_what_did_not_change_has_its_name_still():
    files = begun(Models(ModelCheckpoint("{epoch}.keras")))
    write("1.keras", b"one")
    (before,) = Checkpoint(files).tensors
    write("2.keras", b"two")
    assert before.path in {tensor.path for tensor in Checkpoint(files).tensors}
    assert before.is_sealed


def test_bytes_are_held_until_they_are_stored():
    stored: set[str] = set()
    files = ManagedFiles([Models(ModelCheckpoint("best.keras"))], lambda: stored)
    files.begin("a fit")
    write("best.keras", b"one")
    (captured,) = files.capture()
    write("best.keras", b"other")
    assert captured.tensors[0].read().tobytes() == b"one"
    write("best.keras", b"two")
    ((tensor,),) = [part.tensors for part in files.capture()]
    stored.add(tensor.path)
    files.capture()
    assert tensor.read().tobytes() == b"two", "what is not held is on the disk"
    write("best.keras", b"three")
    with pytest.raises(Changed, match=r"best\.keras"):
        tensor.read()


def test_a_file_that_was_deleted_is_not_captured():
    files = begun(Models(ModelCheckpoint("{epoch}.keras")))
    write("1.keras", b"one")
    write("2.keras", b"two")
    assert len(Checkpoint(files).files) == 2
    Path("1.keras").unlink()
    assert bytes_of(Checkpoint(files)) == {"2.keras": b"two"}


@pytest.mark.parametrize(
    "there", [None, b"of a later epoch", b"saved"], ids=["gone", "changed", "same"]
)
def test_a_model_is_put_back(there):
    path = "deep/down/best.keras"
    place = Models(ModelCheckpoint(path))
    files = begun(place)
    write(path, b"saved")
    checkpoint = Checkpoint(files)
    if there is None:
        Path(path).unlink()
    else:
        write(path, there)
    again = resumed(place, checkpoint)
    assert Path(path).read_bytes() == b"saved"
    assert os.listdir("deep/down") == ["best.keras"]
    assert Checkpoint(again).tensors[0].path == checkpoint.tensors[0].path
    write(path, b"better")
    assert bytes_of(Checkpoint(again)) == {path: b"better"}


def test_what_a_dead_attempt_wrote_after_the_cursor_goes():
    """What was there before the fit, and what is nobody's, stays."""
    for name in ("1.keras", "9.keras", "notes.txt"):
        write(name, b"before")
    place = Models(ModelCheckpoint("{epoch}.keras"))
    files = begun(place)
    write("1.keras", b"one")
    checkpoint = Checkpoint(files)
    write("2.keras", b"two")
    write("9.keras", b"nine")
    resumed(place, checkpoint)
    assert {path.name for path in Path().iterdir()} == {"1.keras", "9.keras", "notes.txt"}
    assert Path("1.keras").read_bytes() == b"one"


def test_a_model_is_put_back_in_one_step(monkeypatch):
    """Whoever reads it meanwhile sees the old or the new content, never a part."""
    place = Models(ModelCheckpoint("best.keras"))
    files = begun(place)
    write("best.keras", b"saved")
    checkpoint = Checkpoint(files)
    write("best.keras", b"old")

    def fail(*_: Any) -> None:
        raise OSError("the process is gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="gone"):
        resumed(place, checkpoint)
    assert Path("best.keras").read_bytes() == b"old"


def test_a_file_that_is_put_back_may_be_read_as_the_callbacks_own():
    write("own.keras", b"")
    place = Models(ModelCheckpoint("best.keras"))
    files = begun(place)
    write("best.keras", b"saved")
    checkpoint = Checkpoint(files)
    Path("best.keras").unlink()
    resumed(place, checkpoint)
    assert os.stat("best.keras").st_mode == os.stat("own.keras").st_mode


@pytest.mark.parametrize("is_kept", [True, False])
def test_rows_are_cut_back_in_place(is_kept):
    """The callback has the file open by then, to append to it."""
    place = Rows(CSVLogger("log.csv"))
    files = begun(place)
    write("log.csv", b"epoch\n0\n")
    checkpoint = Checkpoint(files)
    append("log.csv", b"1\n2")
    if not is_kept:
        Path("log.csv").unlink()
    callback = CSVLogger("log.csv")
    again = ManagedFiles([Rows(callback)])
    again.resume(checkpoint.saved)
    assert callback.append
    with open("log.csv", "a") as opened:
        again.restore(checkpoint.saved, checkpoint.arrays)
        opened.write("1\n")
    assert Path("log.csv").read_bytes() == b"epoch\n0\n1\n"
    assert not callback.append
    assert not callback.append_header


def test_a_table_without_rows_still_gets_its_header():
    callback = CSVLogger("log.csv")
    files = begun(Rows(callback))
    write("log.csv", b"")
    resumed(Rows(callback), Checkpoint(files))
    assert callback.append_header


def test_former_rows_come_back_with_the_others():
    write("log.csv", b"former\n")
    place = Rows(CSVLogger("log.csv", append=True))
    checkpoint = Checkpoint(begun(place))
    Path("log.csv").unlink()
    resumed(place, checkpoint)
    assert Path("log.csv").read_bytes() == b"former\n"


@pytest.mark.parametrize("former", [b"former\n", None])
def test_an_attempt_that_died_before_its_first_checkpoint_leaves_no_rows(former):
    if former is not None:
        write("log.csv", former)
    begun(Rows(CSVLogger("log.csv", append=True)))
    append("log.csv", b"0\n")
    begun(Rows(CSVLogger("log.csv", append=True)))
    assert (Path("log.csv").read_bytes() if former else None) == former
    assert Path("log.csv").exists() == (former is not None)


def test_another_fit_keeps_what_it_finds():
    begun(Rows(CSVLogger("log.csv", append=True)), "one fit")
    append("log.csv", b"0\n")
    begun(Rows(CSVLogger("log.csv", append=True)), "another fit")
    assert Path("log.csv").read_bytes() == b"0\n"


def test_the_end_of_a_fit_takes_its_note_away():
    files = begun(Rows(CSVLogger("log.csv", append=True)))
    assert Path(".log.csv.perdure").exists()
    files.end(seconds=1)
    assert os.listdir() == []


def test_files_that_grow_are_sent_by_spans(monkeypatch):
    monkeypatch.setattr(contents, "SPAN_BYTES", 4)
    place = Folder(CSVLogger("logs"))
    write("logs/a.log", b"before")
    files = begun(place)
    write("logs/b.log", b"0123456")
    first = Checkpoint(files)
    append("logs/b.log", b"789")
    second = Checkpoint(files)
    assert [a.tobytes() for a in second.arrays.values()] == [b"0123", b"4567", b"89"]
    assert [t.is_sealed for t in first.tensors] == [True, False]
    assert first.tensors[0].path == second.tensors[0].path
    append("logs/b.log", b"later")
    write("logs/c.log", b"of an attempt that died before its first save")
    resumed(Folder(CSVLogger("logs")), second)
    assert Path("logs/b.log").read_bytes() == b"0123456789"
    assert sorted(os.listdir("logs")) == [".perdure", "a.log", "b.log"]


def test_a_file_that_becomes_shorter_before_it_is_saved_fails_the_save():
    files = begun(Folder(CSVLogger("logs")))
    write("logs/a.log", b"0123")
    ((tensor,),) = [part.tensors for part in files.capture()]
    write("logs/a.log", b"0")
    with pytest.raises(Changed, match=r"a\.log"):
        tensor.read()


def test_a_resumed_fit_goes_on_where_it_began_to_write():
    """Scripts put the time of day into the name of a folder."""
    checkpoint = Checkpoint(begun(Folder(CSVLogger("logs/monday"))))
    callback = CSVLogger("logs/tuesday")
    resumed(Folder(callback), checkpoint)
    assert callback.filename == "logs/monday"


def test_arrays_are_bytes():
    files = begun(Folder(CSVLogger("logs")))
    write("logs/a.log", bytes(range(256)))
    (array,) = Checkpoint(files).arrays.values()
    assert array.dtype == np.uint8
