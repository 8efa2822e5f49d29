"""The files of one fit's callbacks: what was there before, what belongs to the fit, what is left over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perdure.lineage.chunk_writer import Tensor
from perdure.state.callbacks import name_of, pair
from perdure.state.codec import Array
from perdure.state.files.contents import Growing, Stamp, Whole, put_back, stamp_of
from perdure.state.files.places import Place
from perdure.state.files.remote import SCHEME, Remote

Saved = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Captured:
    """Files as they are at a cursor: what a checkpoint says of them, their bytes, and what remains to be
    done once it is committed.
    """

    entry: dict[str, Any]
    tensors: list[Tensor]
    publish: Callable[[], None]


class ManagedFiles:
    """The files in `places`. `stored()` names the bytes that the newest checkpoint has."""

    def __init__(
        self, places: Sequence[Place], stored: Callable[[], Collection[str]] = frozenset
    ) -> None:
        self._fits = [FilesOf(place) for place in places]
        self._stored = stored

    @property
    def is_remote(self) -> bool:
        """Whether any of them are to be in S3."""
        return any(files.is_remote for files in self._fits)

    def begin(self, fit: str) -> None:
        """`fit` begins, whose name tells it from every other that may have left files behind."""
        for files in self._fits:
            files.begin(fit)

    def resume(self, saved: Saved) -> None:
        """A fit begins that is to go on from a checkpoint, or has ended in it."""
        for files, entry in self._pairs(saved):
            files.resume(entry)

    def capture(self) -> list[Captured]:
        """The files as they are now, callback by callback."""
        stored = self._stored() if self._fits else ()
        return [files.capture(stored) for files in self._fits]

    def restore(self, saved: Saved, contents: Mapping[str, Array]) -> None:
        """Make the files what they were, after the callbacks have their state."""
        for files, entry in self._pairs(saved):
            files.restore(entry, contents)

    def end(self, seconds: float) -> None:
        """The fit is over, and its end is in the store; S3 is waited for as many seconds.

        Raises:
            StoreError: something could not be copied to S3.
        """
        for files in self._fits:
            files.end(seconds)

    def let_go(self) -> None:
        """Nothing is done with the callbacks' files any more."""
        for files in self._fits:
            files.let_go()

    def _pairs(self, saved: Saved) -> list[tuple[FilesOf, Mapping[str, Any]]]:
        pairs = pair([entry["name"] for entry in saved], [files.name for files in self._fits])
        return [(self._fits[j], saved[i]) for i, j in pairs]


class FilesOf:
    """The files of one callback."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._before: dict[str, Stamp] = {}
        self._present: set[str] = set()
        self._known: dict[str, Whole | Growing] = {}
        self._local = place.target
        self._captures = 0
        self._remote: Remote | None = None
        self.name = name_of(place.callback)

    @property
    def is_remote(self) -> bool:
        """Whether they are to be in S3."""
        return self._remote is not None

    def _stand_at(self, target: str) -> None:
        """The files are at `target`, or in a folder that stands in for it."""
        self._remote = Remote(target) if target.startswith(SCHEME) else None
        self._place.target = self._local = self._remote.target if self._remote else target

    def _name(self, path: str) -> str:
        """What checkpoints call the file, wherever the folder is that stands in for S3."""
        return os.path.relpath(path, self._remote.folder) if self._remote else path

    def _path(self, name: str) -> str:
        return os.path.join(self._remote.folder, name) if self._remote else name

    def begin(self, fit: str) -> None:
        """Note what is there before the first attempt at `fit`; a later one finds that note."""
        self._stand_at(self._place.target)
        if self._remote is not None:
            self._remote.begin(appends=self._place.owns_all and self._place.can_append)
            return
        noted = self._noted(fit)
        if noted is None:
            self._before = self._stamps()
            self._note(fit)
        else:
            self._before = noted
            self._present = set(self._place.paths())
            self._remove_left_over({})

    def resume(self, saved: Mapping[str, Any]) -> None:
        """The files are where they were, wherever the script says now."""
        self._stand_at(saved["target"])
        if self._remote is not None:
            self._remote.resume(saved["published"], saved["files"])
        self._before = {path: (stamp[0], stamp[1]) for path, stamp in saved["before"].items()}
        self._present = set(self._place.paths())
        self._place.prepare()

    def capture(self, stored: Collection[str]) -> Captured:
        """What is there now and was not before."""
        self._place.flush()
        ours = {path: self._version(path) for path in self._place.paths() if self._is_ours(path)}
        self._known = ours
        for version in ours.values():
            if isinstance(version, Whole):
                version.let_go(stored)
        versions = {self._name(path): version for path, version in ours.items()}
        entry = {
            "name": self.name,
            "target": self._remote.url if self._remote else self._local,
            "before": self._before,
            "files": {name: version.entry() for name, version in versions.items()},
            "state": self._place.state(),
            "published": dict(self._remote.published) if self._remote else {},
        }
        tensors = [tensor for version in ours.values() for tensor in version.tensors()]
        self._captures += 1
        return Captured(entry, tensors, partial(self._publish, versions, self._captures))

    def _publish(
        self, versions: Mapping[str, Whole | Growing], number: int, seconds: float = 0.0
    ) -> None:
        remote = self._remote
        if remote is not None:
            remote.publish(versions, number, seconds)

    def restore(self, saved: Mapping[str, Any], contents: Mapping[str, Array]) -> None:
        """Put back what was there at the cursor; what dead attempts wrote after it goes."""
        self._place.target = self._local
        files = {self._path(name): entry for name, entry in saved["files"].items()}
        self._remove_left_over(files)
        for path, entry in files.items():
            put_back(path, entry, contents)
            self._known[path] = _version_of(path, entry)
        self._place.go_on(saved["state"])

    def end(self, seconds: float) -> None:
        """The fit is over: S3 gets the rest, and nobody will ask any more what was there before."""
        versions = {self._name(path): version for path, version in self._known.items()}
        self._publish(versions, self._captures, seconds)
        if self._place.can_append and self._remote is None:
            Path(self._place.journal).unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """The callback is told again what the script told it."""
        if self._remote is not None:
            self._place.target = self._remote.url
            shutil.rmtree(self._remote.folder)
            self._remote = None

    def _is_ours(self, path: str) -> bool:
        """Whether it belongs to the fit: what was there before does not, as long as it is as it was."""
        before = None if self._place.owns_all else self._before.get(path)
        return before is None or path in self._known or before != stamp_of(path)

    def _version(self, path: str) -> Whole | Growing:
        known = self._known.get(path)
        if self._place.grows(path):
            return Growing.of(path, self._name(path), known)
        is_known = isinstance(known, Whole) and known.is_current()
        return known if known and is_known else Whole.of(path, self._name(path))

    def _remove_left_over(self, saved: Collection[str]) -> None:
        """Take away what was found here, is not in the checkpoint, and was not there before."""
        for path in self._present - {*saved}:
            before = self._before.get(path)
            if before is None:
                os.unlink(path)
            elif self._place.grows(path) and os.path.getsize(path) > before[1]:
                os.truncate(path, before[1])

    def _stamps(self) -> dict[str, Stamp]:
        return {path: stamp_of(path) for path in self._place.paths()}

    def _note(self, fit: str) -> None:
        if self._place.can_append:
            path = Path(self._place.journal)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{path.name}.new")
            temporary.write_text(json.dumps({"fit": fit, "before": self._before}))
            temporary.replace(path)

    def _noted(self, fit: str) -> dict[str, Stamp] | None:
        """What the first attempt at `fit` found, None if this is the first one here."""
        if not self._place.can_append:
            return None
        with suppress(FileNotFoundError):
            noted = json.loads(Path(self._place.journal).read_text())
            if noted["fit"] == fit:
                return {path: (stamp[0], stamp[1]) for path, stamp in noted["before"].items()}
        return None


def _version_of(path: str, entry: Mapping[str, Any]) -> Whole | Growing:
    """The version that `entry` says and that is there now; its bytes are in the store."""
    if entry["grows"]:
        return Growing(path, entry["id"], entry["size"])
    return Whole(path, entry["id"], stamp_of(path), None)
