"""What callbacks have written, in a form that two runs have in common: no times of day, no archives' bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

TIMED = (
    "steps_per_second",
    "batch_4",
)  # what depends on the clock: speeds, and the trace of profile_batch


def contents(folder: Path) -> dict[str, Any]:
    """Every file below `folder`: tables as they are, models by their values, events by tag and step."""
    models = {name_of(path, folder): values(path) for path in _files(folder, ".keras", ".h5")}
    tables = {name_of(path, folder): path.read_text() for path in _files(folder, ".csv", ".pbtxt")}
    return {**models, **tables, "events": events(folder)}


def name_of(path: Path, folder: Path) -> str:
    """The path below `folder`."""
    return path.relative_to(folder).as_posix()


def _files(folder: Path, *endings: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name.endswith(endings))


def values(path: Path) -> dict[str, str]:
    """The arrays in a file of Keras' by name, as digests."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return _arrays(io.BytesIO(archive.read("model.weights.h5")))
    return _arrays(path)


def _arrays(file: Any) -> dict[str, str]:
    found = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = _digest(item[()].tobytes())

    with h5py.File(file) as opened:
        opened.visititems(note)
    assert found, f"no arrays in {file}"
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def events(folder: Path) -> Counter[tuple[str, str, int, str]]:
    """Folder, tag, step and value of each event, and how often it is there."""
    found: Counter[tuple[str, str, int, str]] = Counter()
    for path in folder.rglob("*.tfevents.*"):
        for event in read_events(path):
            where = path.parent.relative_to(folder).as_posix()
            found.update((where, *said) for said in _said(event))
    return found


def _said(event: Event) -> Iterable[tuple[str, int, str]]:
    for value in event.summary.value:
        is_timed = any(word in value.tag for word in TIMED)
        content = value.tensor.SerializeToString(deterministic=True)
        yield value.tag, event.step, "" if is_timed else _digest(content)
    if event.HasField("graph_def"):
        yield "graph", event.step, ""
    if event.HasField("tagged_run_metadata"):
        yield f"trace {event.tagged_run_metadata.tag}", event.step, ""


def read_events(path: Path) -> Iterator[Event]:
    """The events of a file, by TensorBoard's own reader, which must reach its end without a broken record."""
    reader = PyRecordReader_New(str(path))
    read, size = 0, path.stat().st_size
    while read < size:
        reader.GetNext()
        record = reader.record()
        read += len(record) + 16  # length, its checksum, and the record's
        yield Event.FromString(record)
