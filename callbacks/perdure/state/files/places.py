"""What each of Keras' callbacks writes, where, and what it needs to go on writing in another process."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

NUMBER = r"[-+ ]*(?:[0-9][0-9.,_]*(?:e[-+]?[0-9]+)?%?|nan|inf) *"
"""What a placeholder of a template becomes: the epoch, the batch, or a value of the logs."""


class Place:
    """The files of one callback. `attribute` is the callback's, which says where they are."""

    attribute: str
    owns_all = False
    """Whether what was there before the fit is the callback's too."""
    can_append = False
    """Whether a fit may add to what is there, so that this has to be known for sure."""

    def __init__(self, callback: Any) -> None:
        self.callback = callback

    @property
    def target(self) -> str:
        """Where the files are, as the callback was told."""
        return str(getattr(self.callback, self.attribute))

    @target.setter
    def target(self, value: str) -> None:
        setattr(self.callback, self.attribute, value)

    @property
    def journal(self) -> str:
        """A file beside the others that says what was there before; only where `can_append`."""
        raise NotImplementedError

    def paths(self) -> list[str]:
        """The files that are there now."""
        raise NotImplementedError

    def grows(self, path: str) -> bool:
        """Whether the callback only ever appends to this one."""
        return False

    def flush(self) -> None:
        """What the callback has logged is in its files afterwards."""

    def prepare(self) -> None:
        """The callback is about to begin in a fit that is resumed: it must go on, not begin anew."""

    def state(self) -> int | None:
        """What the callback knows and no attribute of its own tells."""
        return None

    def go_on(self, state: int | None) -> None:
        """The files are back, and so are the callback's attributes; `state` is what it knew beside them."""


class Models(Place):
    """ModelCheckpoint's."""

    attribute = "filepath"

    def paths(self) -> list[str]:
        pieces = re.split(r"\{[^{}]*\}", self.target)
        found = glob.glob("*".join(glob.escape(piece) for piece in pieces))
        template = re.compile(NUMBER.join(re.escape(piece) for piece in pieces))
        return sorted(path for path in found if template.fullmatch(path) and os.path.isfile(path))


class Rows(Place):
    """CSVLogger's."""

    attribute = "filename"
    owns_all = True

    def __init__(self, callback: Any) -> None:
        super().__init__(callback)
        self.can_append = self._appends = bool(callback.append)

    @property
    def journal(self) -> str:
        folder, name = os.path.split(self.target)
        return os.path.join(folder, f".{name}.perdure")

    def paths(self) -> list[str]:
        return [self.target] if os.path.isfile(self.target) else []

    def grows(self, path: str) -> bool:
        return True

    def prepare(self) -> None:
        """It begins by opening the file."""
        os.makedirs(os.path.dirname(self.target) or ".", exist_ok=True)
        self.callback.append = True

    def go_on(self, state: int | None) -> None:
        self.callback.append = self._appends
        self.callback.append_header = not (self.paths() and os.path.getsize(self.target))
