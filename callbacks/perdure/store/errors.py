"""What a store fails with. The classes are what a caller does about it, not what went wrong.

- StoreError
  - Missing: there is no such object
  - Exists: the object that was to be created is there
  - TooLarge: the object is larger than the one that was expected
  - Unavailable: nobody knows the outcome, or the store cannot now; asking again may help
    - Expired: the credentials have; newer ones may come from where they came from
  - Unusable: asking again never helps; a person has to change something

Messages say what was expected, what was received and what to do. They never hold credentials.
"""

from __future__ import annotations


class StoreError(Exception):
    """A store did not do what it was asked to."""


class Missing(StoreError):
    """There is no object at `key`."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Expected an object at {key}. Received: nothing is there.")
        self.key = key


class Exists(StoreError):
    """There is an object at `key` already, perhaps one's own: see `Store.create`."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Expected to create {key}. Received: it is there already.")
        self.key = key


class TooLarge(StoreError):
    """The object at `key` is larger than its reader allows; it was not read."""

    def __init__(self, key: str, size: int, most_bytes: int) -> None:
        super().__init__(f"Expected at most {most_bytes} bytes at {key}. Received: {size} bytes.")
        self.key = key


class Unavailable(StoreError):
    """The store did not answer, or says that it cannot now; asking again may help."""


class Expired(Unavailable):
    """The credentials have expired."""


class Unusable(StoreError):
    """The store can never do this as things are: no such bucket, access denied, read-only."""
