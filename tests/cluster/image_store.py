"""The images, unpacked once for all nodes of all clusters of this machine.

A containerd without pods unpacks them into a root that is kept in the user's cache. A node's own
root begins as links to the layers there, so an image of gigabytes is on a node at once. Nothing in
the store ever changes or goes away while a cluster holds it: code that changes adds small layers,
and other dependencies make another store.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path

from go_programs import PROGRAMS, cache, locked

from cluster import images
from cluster.containerd import Containerd
from cluster.slots import Slot

LAYERS = ("snapshots", "sha256")  # folders whose entries never change


class ImageStore:
    """The store that fits the checkout's dependencies; held until `close`."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.folder = cache() / "images" / _key()
        with locked(cache() / "images"):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.folder, fcntl.LOCK_SH)
            _remove_unused(self.folder.parent)

    def close(self) -> None:
        """Let the store be removed when it is of no use any more."""
        self._lock.close()

    def add(self, targets: Iterable[str]) -> dict[str, str]:
        """Build these targets and unpack those that are new; their names."""
        with locked(cache() / "images"):
            built = [images.build(target) for target in targets]
            new = [image for image in built if not self._mark(image).exists()]
            if new:
                self._unpack(new)
        return {image.target: image.name for image in built}

    def clone(self, root: Path) -> None:
        """Make the root of a node's containerd, with every image in the store."""
        with locked(cache() / "images"):
            _clone(self.folder / "root", root)

    def _unpack(self, new: list[images.Image]) -> None:
        folder = self._slot.folder / "image-store"
        folder.mkdir(exist_ok=True)
        containerd = Containerd("image-store", self._slot, folder, self.folder / "root")
        containerd.process.start()
        try:
            for image in new:
                archive = folder / f"{image.target}.tar"
                image.save(archive)
                containerd.load(archive)
                archive.unlink()
                self._mark(image).touch()
        finally:
            containerd.process.stop()

    def _mark(self, image: images.Image) -> Path:
        return self.folder / f"has-{image.target}-{image.id}"


def _key() -> str:
    """What decides the large layers: without it every lock file would add gigabytes for ever."""
    digest = hashlib.sha256(PROGRAMS["containerd"].key.encode())
    for name in images.LOCKED:
        digest.update((images.ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def _lock(store: Path, kind: int) -> TextIOWrapper:
    lock = (store / "lock").open("w")
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise
    return lock


def _remove_unused(stores: Path) -> None:
    """Remove the stores that no cluster holds, this one's own being held."""
    for store in stores.iterdir():
        try:
            lock = _lock(store, fcntl.LOCK_EX)
        except BlockingIOError:
            continue
        shutil.rmtree(store)
        lock.close()


def _clone(source: Path, target: Path) -> None:
    """Copy what containerd knows, link to the layers that it knows of."""
    target.mkdir()
    for each in source.iterdir():
        place = target / each.name
        if source.name in LAYERS:
            place.symlink_to(each)
        elif each.is_dir():
            _clone(each, place)
        else:
            shutil.copy2(each, place)
