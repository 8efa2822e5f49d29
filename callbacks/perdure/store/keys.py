"""Which keys are allowed: those that mean one and the same object in S3 and in a folder."""

from __future__ import annotations

MOST_BYTES = 900  # S3 allows 1024 bytes, of which the store's own prefix takes some
MOST_BYTES_WITH_PREFIX = 1024
MOST_COMPONENT_BYTES = 255  # the longest name of a file
TEMPORARY = ".tmp"  # where the local store keeps what is not whole


def is_key(text: str) -> bool:
    """Whether Perdure could have written an object under this key; others are a person's own."""
    try:
        check_key(text)
    except ValueError:
        return False
    return True


def check_key(key: str) -> str:
    """Give back `key`, which must be a relative path without detours.

    Raises:
        ValueError: it is not: a mistake in Perdure or in the store's URL.
    """
    components = key.split("/")
    if any(component in ("", ".", "..") for component in components) or components[0] == TEMPORARY:
        raise ValueError(
            f"Expected a path of plain names, without '..', empty names or a first name "
            f"{TEMPORARY!r}. Received: {key!r}."
        )
    if not key.isprintable() or "\\" in key:
        raise ValueError(f"Expected printable characters and no backslash. Received: {key!r}.")
    longest = max(len(component.encode()) for component in components)
    if len(key.encode()) > MOST_BYTES or longest > MOST_COMPONENT_BYTES:
        raise ValueError(
            f"Expected at most {MOST_BYTES} bytes in all and {MOST_COMPONENT_BYTES} between two "
            f"slashes. Received: {key!r}."
        )
    return key
