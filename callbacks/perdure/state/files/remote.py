"""Files of callbacks that are to be in S3: written to a local folder, copied once a checkpoint has them.

What is in S3 is therefore never ahead of the checkpoints, and no resumed fit has to take anything back,
which an object that was replaced does not allow. A file that only grows is copied anew each time, an event
file by pieces: TensorBoard reads them as files of their own, and S3 cannot append.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from perdure.contract.environment import InvalidSetting
from perdure.state.files.contents import Changed, Growing, Whole
from perdure.store import Missing, Store, Timeouts, open_store, until_deadline

SCHEME = "s3://"
UPLOAD_SECONDS = 3600.0  # one request for a whole model, over a slow line
LENGTH_BYTES = 8  # a record of an event file: length, its checksum, data, their checksum
CHECKSUM_BYTES = 4


class Remote:
    """What is at `url` of one callback, `s3://bucket/path`, with a local folder that stands in for it."""

    def __init__(self, url: str) -> None:
        bucket, _, path = url.removeprefix(SCHEME).partition("/")
        if not path:
            raise InvalidSetting(
                f"Expected s3://bucket/path for the files of a callback. Received: {url!r}."
            )
        self.url = url
        self.folder = tempfile.mkdtemp(prefix="perdure-files-")
        self.target = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(self.target), exist_ok=True)
        self.published: dict[str, str | int] = {}
        """Of each file by name: how many bytes of it are in S3, or which version."""
        self._store = _opened(f"{SCHEME}{bucket}")
        self._number = 0
        self._lock = threading.Lock()

    def begin(self, *, appends: bool) -> None:
        """The first attempt begins, which may append to what is there.

        Raises:
            StoreError: the bucket cannot be used.
        """
        key = os.path.relpath(self.target, self.folder)
        self._store.list(key.partition("{")[0])
        if appends:
            self._fetch(key)

    def _fetch(self, key: str) -> None:
        try:
            content = self._store.get(key)
        except Missing:
            return
        path = Path(self.folder, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def resume(self, published: Mapping[str, str | int], names: Iterable[str]) -> None:
        """Another attempt begins: forget pieces of `names` that were copied after its checkpoint was taken.

        Raises:
            StoreError: the bucket cannot be used.
        """
        self.published = dict(published)
        for name in filter(is_events, names):
            self._forget_pieces(f"{name}.", int(published.get(name, 0)))

    def _forget_pieces(self, prefix: str, length: int) -> None:
        for key in self._store.list(prefix):
            start = key.removeprefix(prefix)
            if start.isdigit() and int(start) >= length:
                self._store.delete(key)

    def publish(self, versions: Mapping[str, Whole | Growing], number: int, seconds: float) -> None:
        """Copy what S3 does not have of `versions`, unless those of a higher `number` are there.

        A failed request is repeated for `seconds`. Without any, nothing is done while another thread copies:
        the next checkpoint will have it.

        Raises:
            StoreError: something could not be copied; the next call tries again.
        """
        store = until_deadline(self._store, seconds) if seconds else self._store
        if not self._lock.acquire(blocking=seconds > 0):
            return
        try:
            if number < self._number:
                return
            self._number = number
            for name, version in versions.items():
                _publish(store, name, version, self.published)
        finally:
            self._lock.release()


def _opened(url: str) -> Store:
    try:
        return open_store(url, Timeouts(request=UPLOAD_SECONDS))
    except ValueError as error:
        raise InvalidSetting(str(error)) from error


def _publish(
    store: Store, name: str, version: Whole | Growing, published: dict[str, str | int]
) -> None:
    """Copy one file as far as it is not in `published`, which is noted there."""
    done = published.get(name)
    if isinstance(version, Whole):
        if done == version.id:
            return
        try:
            content = version.read()
        except Changed:  # the newer version comes with its own checkpoint
            return
        store.put(name, content.data)
        published[name] = version.id
    elif done is None or version.size > int(done):
        start = int(done or 0)
        if is_events(name):
            store.put(f"{name}.{start:012}", _piece(version, start))
        else:
            store.put(name, _read(version.path, 0, version.size))
        published[name] = version.size


def is_elsewhere(target: str) -> bool:
    """Whether only TensorFlow can write there."""
    return "://" in target and not target.startswith(SCHEME)


def is_events(path: str) -> bool:
    """Whether it is an event file of TensorBoard's."""
    return ".tfevents." in os.path.basename(path)


def _piece(version: Growing, start: int) -> bytes:
    """The records from byte `start` on, as an event file: its first record says which version it is of."""
    if start == 0:
        return _read(version.path, 0, version.size)
    length = int.from_bytes(_read(version.path, 0, LENGTH_BYTES), "little")
    head = LENGTH_BYTES + CHECKSUM_BYTES + length + CHECKSUM_BYTES
    return _read(version.path, 0, head) + _read(version.path, start, version.size)


def _read(path: str, start: int, stop: int) -> bytes:
    return np.fromfile(path, np.uint8, stop - start, offset=start).tobytes()
