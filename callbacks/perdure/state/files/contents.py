"""The bytes of managed files: how they come into a checkpoint, and back onto the disk.

A file that only grows is saved as spans. A full span never changes, so it is sent once; what is read of
the file is read in the background, while the file grows on. Any other file is read when it has changed,
while the training waits, because its callback may write it anew at any time after.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.table import PACK_BELOW_BYTES
from perdure.state.codec import Array

FILE_GROUP = "files"
"""The group of a checkpoint's tensors that are bytes of files."""

SPAN_BYTES = PACK_BELOW_BYTES

Stamp = tuple[int, int]


class Changed(Exception):
    """A file is not what it was when its bytes were to be saved; a later save takes it as it is then."""


def stamp_of(path: str) -> Stamp:
    """Tells versions of a file apart: when it was written, in ns, and its size in bytes."""
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size


@dataclass
class Whole:
    """A version of a file that its callback replaces; the bytes are held until they are in the store."""

    path: str
    id: str
    stamp: Stamp
    content: Array | None

    @staticmethod
    def of(path: str, name: str) -> Whole:
        """The version that is there now of the file that checkpoints call `name`."""
        stamp = stamp_of(path)
        return Whole(path, _new_id(name), stamp, np.fromfile(path, np.uint8))

    def is_current(self) -> bool:
        """Whether this version is the one that is there now."""
        return stamp_of(self.path) == self.stamp

    def tensors(self) -> Iterator[Tensor]:
        """The bytes for a checkpoint."""
        yield Tensor(FILE_GROUP, self.id, self.read, is_sealed=True)

    def entry(self) -> dict[str, Any]:
        """What a checkpoint says of it."""
        return {"id": self.id, "size": self.stamp[1], "grows": False}

    def let_go(self, stored: Collection[str]) -> None:
        """Hold the bytes no longer if they are in `stored`, the newest checkpoint's."""
        if self.id in stored:
            self.content = None

    def read(self) -> Array:
        """The bytes.

        Raises:
            Changed: they are not held, and the file has changed.
        """
        if self.content is not None:
            return self.content
        content = np.fromfile(self.path, np.uint8)
        if not self.is_current():
            raise Changed(f"{self.path} was written anew before it was saved")
        return content


@dataclass
class Growing:
    """The first `size` bytes of a file that only grows."""

    path: str
    id: str
    size: int

    @staticmethod
    def of(path: str, name: str, before: Whole | Growing | None) -> Growing:
        """What is there now; `before` is what was there last."""
        size = os.path.getsize(path)
        is_same = isinstance(before, Growing) and before.size <= size
        return Growing(path, before.id if before and is_same else _new_id(name), size)

    def tensors(self) -> Iterator[Tensor]:
        """The bytes for a checkpoint, span by span."""
        for span in _spans(self.size):
            read = partial(_read_span, self.path, span)
            name = f"{self.id}:{span.start}"
            yield Tensor(FILE_GROUP, name, read, is_sealed=len(span) == SPAN_BYTES)

    def entry(self) -> dict[str, Any]:
        """What a checkpoint says of it."""
        return {"id": self.id, "size": self.size, "grows": True}


def _new_id(name: str) -> str:
    return f"{name}#{uuid.uuid4().hex}"


def _spans(size: int) -> list[range]:
    return [range(start, min(start + SPAN_BYTES, size)) for start in range(0, size, SPAN_BYTES)]


def _read_span(path: str, span: range) -> Array:
    content = np.fromfile(path, np.uint8, len(span), offset=span.start)
    if len(content) != len(span):
        raise Changed(f"{path} has become shorter before it was saved")
    return content


def put_back(path: str, entry: Mapping[str, Any], saved: Mapping[str, Array]) -> None:
    """Make the file what `entry` says, of the bytes in `saved`."""
    if entry["grows"]:
        names = [f"{entry['id']}:{span.start}" for span in _spans(entry["size"])]
        _rewrite(Path(path), [saved[name] for name in names])
    else:
        _replace(Path(path), saved[entry["id"]])


def _rewrite(path: Path, spans: list[Array]) -> None:
    """In place, since the callback may have it open to append to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "x+b") as file:
        for span in spans:
            start, content = file.tell(), span.tobytes()
            if file.read(len(content)) != content:
                file.seek(start)
                file.write(content)
        file.truncate()


def _replace(path: Path, content: Array) -> None:
    """In one step, so that who reads it meanwhile sees no half of it."""
    is_there = path.exists() and path.stat().st_size == content.nbytes
    if is_there and np.array_equal(np.fromfile(path, np.uint8), content):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".perdure-{uuid.uuid4().hex}"
    with temporary.open("xb") as file:  # with the permissions that the callback's own files have
        file.write(content.tobytes())
    os.replace(temporary, path)
