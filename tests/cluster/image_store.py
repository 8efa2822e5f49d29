"""The images, unpacked once for all nodes of all clusters of this machine.

A containerd without pods unpacks them into a root that is kept in the user's cache. A node's own
root begins as links to the layers there, so an image of gigabytes is on a node at once. Nothing in
the store ever changes or goes away while a cluster holds it; it begins anew when it has grown large.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable
from pathlib import Path

from go_programs import PROGRAMS, cache, locked

from cluster import images
from cluster.containerd import Containerd
from cluster.slots import Slot

LARGE = 10 * 1024**3  # a change of the dependencies adds 2 GiB, a change of the code almost nothing
BLOBS = Path("root/io.containerd.content.v1.content/blobs/sha256")
LAYERS = ("snapshots", "sha256")  # folders whose entries never change


class ImageStore:
    """The store of this machine's user, held until `close`."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.folder = cache() / "images" / f"containerd-{PROGRAMS['containerd'].key}"
        with locked(cache() / "images"):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = self.folder.with_name(f"{self.folder.name}.held").open("w")
            if _size(self.folder) > LARGE and self._is_unused():
                shutil.rmtree(self.folder)
                self.folder.mkdir()
            fcntl.flock(self._lock, fcntl.LOCK_SH)

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

    def _is_unused(self) -> bool:
        """Whether no cluster holds it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unpack(self, new: list[images.Image]) -> None:
        folder = self._slot.folder / "image-store"
        folder.mkdir(exist_ok=True)
        containerd = Containerd("image-store", self._slot, folder, self.folder / "root")
        containerd.process.start()
        try:
            for image in new:
                archive = folder / f"{image.target}.tar"
                image.save(archive, self.folder / BLOBS)
                containerd.load(archive)
                archive.unlink()
                self._mark(image).touch()
        finally:
            containerd.process.stop()

    def _mark(self, image: images.Image) -> Path:
        return self.folder / f"has-{image.target}-{image.id}"


def _size(store: Path) -> int:
    """Bytes of all layers, packed."""
    return sum(blob.stat().st_size for blob in (store / BLOBS).glob("*"))


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
