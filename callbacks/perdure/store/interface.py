"""What Perdure needs of a place for bytes, and nothing more."""

from __future__ import annotations

from typing import Protocol

Data = bytes | memoryview

MOST_BYTES = 256 * 1024 * 1024  # no object of Perdure's is larger


class Store(Protocol):
    """Objects by key. Every method may be called from several threads at once.

    A key is a relative path of plain components ("runs/1/log/00000001.json"). Besides what is named
    below, every method raises `Unavailable` and `Unusable`.
    """

    @property
    def url(self) -> str:
        """Where the store is, for a person."""

    def get(self, key: str, most_bytes: int = MOST_BYTES) -> Data:
        """Read an object of at most `most_bytes`; of a larger one nothing is read.

        Raises:
            Missing: there is none.
            TooLarge: it is larger.
        """

    def put(self, key: str, data: Data) -> str | None:
        """Write an object, replacing what is there: for content that its key determines.

        Returns the name of this version where the store keeps every version of an object, else None.
        """

    def create(self, key: str, data: Data) -> None:
        """Write an object only if there is none; of many that race, one succeeds.

        A request whose answer was lost is sent again by `until_deadline` and then finds what it has
        itself written, so `Exists` does not mean that another process won: only reading the object
        tells.

        Raises:
            Exists: there is one.
        """

    def list(self, prefix: str) -> dict[str, int]:
        """All keys that begin with `prefix`, sorted, with sizes in bytes.

        Only whole objects appear, and only those whose keys Perdure could have written.
        """

    def delete(self, key: str) -> None:
        """Remove an object; that there is none is fine."""
