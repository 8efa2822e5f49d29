"""A folder as a store.

A reader never sees half an object: bytes go to a temporary file, are forced to the disk, and only
then get their name. `os.link` gives it only if nobody has it, which is what `create` needs; a
rename cannot.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from perdure.store.errors import Exists, Missing, StoreError, TooLarge, Unavailable, Unusable
from perdure.store.interface import MOST_BYTES, Data
from perdure.store.keys import TEMPORARY, check_key, is_key

LEFTOVER_SECONDS = 24 * 3600.0  # older temporary files belong to processes that were killed

_NEVER = {
    errno.EACCES, errno.EEXIST, errno.EFBIG, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR,
    errno.EPERM, errno.EROFS,
}  # fmt: skip
_CURES = {
    errno.ENOSPC: "Free some space.",
    errno.EDQUOT: "Free some space, or raise the quota.",
    errno.EFBIG: "Raise the limit for the size of a file (ulimit -f), or use another file system.",
}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class LocalStore:
    """The objects below the folder `root`, which is made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept = False
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def get(self, key: str, most_bytes: int = MOST_BYTES) -> Data:
        with self._errors("read", key):
            try:
                with self._path(key).open("rb", buffering=0) as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > most_bytes:
                        raise TooLarge(key, size, most_bytes)
                    return file.readall()
            except FileNotFoundError:
                raise Missing(key) from None

    def put(self, key: str, data: Data) -> None:
        with self._errors("write", key), self._temporary(key, data) as (temporary, path):
            temporary.replace(path)

    def create(self, key: str, data: Data) -> None:
        with self._errors("write", key), self._temporary(key, data) as (temporary, path):
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise Exists(key) from None
            except OSError as error:
                raise _cannot_link(self.root, error) from error

    def list(self, prefix: str) -> dict[str, int]:
        folder = self.root / prefix.rpartition("/")[0]
        with self._errors("list", prefix):
            found = (
                (path.relative_to(self.root).as_posix(), size) for path, size in _files(folder)
            )
            return dict(
                sorted((key, size) for key, size in found if key.startswith(prefix) and is_key(key))
            )

    def delete(self, key: str) -> None:
        with self._errors("delete", key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _temporary(self, key: str, data: Data) -> Iterator[tuple[Path, Path]]:
        """A whole and durable file with `data`, to be given its final name inside the block."""
        path = self._path(key)
        _make_folder(path.parent)
        temporary = self._temporary_folder() / uuid.uuid4().hex
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary, path
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def _temporary_folder(self) -> Path:
        folder = self.root / TEMPORARY
        _make_folder(folder)
        with self._lock:
            if not self._swept:
                _remove_leftovers(folder)
                self._swept = True
        return folder

    @contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _store_error(error, f"to {verb} {self.root / key}") from error


def _store_error(error: OSError, asked: str) -> StoreError:
    received = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
    text = f"Expected {asked}. Received: {received}."
    cure = _CURES.get(error.errno or 0, "")
    if error.errno in _NEVER:
        allow = "Give the store's URL a folder that this process may read and write."
        return Unusable(f"{text} {cure or allow}")
    return Unavailable(f"{text} {cure}".rstrip())


def _cannot_link(root: Path, error: OSError) -> Exception:
    """Without hard links there is no exclusive creation that survives a crash."""
    if error.errno not in _NO_LINKS:
        return error
    return Unusable(
        f"Expected a file system with hard links at {root}. Received: {error.strerror}. "
        f"Use another folder, or s3:// if this one is a mounted bucket."
    )


def _make_folder(folder: Path) -> None:
    """Make `folder` and its parents durable: a file is lost with the name of its folder."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)  # another thread may have been quicker
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """All files below `folder` with their sizes; a folder that is not there has none, nor is a file
    that goes meanwhile; other trouble is an error.
    """
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
            continue
        with suppress(FileNotFoundError):
            yield Path(entry.path), entry.stat(follow_symlinks=False).st_size


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left; younger files may belong to a living one."""
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue  # another process was quicker
