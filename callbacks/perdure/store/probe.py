"""Trying a store before anything depends on it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass

from perdure.store.errors import Exists, StoreError, Unusable
from perdure.store.interface import Store

CONTENT = b"Perdure tries whether it can write here; this object may be deleted."


@dataclass(frozen=True)
class Checked:
    """What a store that works is like."""

    honours_condition: bool
    """Some servers ignore `If-None-Match` and overwrite in silence: an older process can then not
    be kept from writing.
    """
    keeps_versions: bool
    """A bucket with versioning keeps, and bills, what is deleted until a lifecycle rule ends it."""


def check(store: Store, prefix: str) -> Checked:
    """Do once what a training will need, under keys that begin with `prefix`; nothing is left.

    Raises:
        Unusable: the store can never work: no such bucket, no permission for one of the operations.
        Unavailable: the store does not answer.
    """
    folder = f"{prefix}-{uuid.uuid4().hex}"  # no real folder: a local store would keep it, empty
    data, record = f"{folder}-put", f"{folder}-create"
    try:
        checked = _try(store, folder, data, record)
    except Unusable:
        with suppress(StoreError):  # what did not work says more
            _clean_up(store, data, record)
        raise
    _clean_up(store, data, record)
    return checked


def _try(store: Store, folder: str, data: str, record: str) -> Checked:
    version = store.put(data, CONTENT)
    honoured = _honours_condition(store, record)
    _expect(list(store.list(f"{folder}-")), [record, data], store, "the keys just written")
    _expect(store.get(data), CONTENT, store, "the bytes just written")
    return Checked(honoured, version is not None)


def _clean_up(store: Store, *keys: str) -> None:
    for key in keys:
        store.delete(key)


def _honours_condition(store: Store, key: str) -> bool:
    """A first creation that finds itself (sent again, its answer was lost) proves it as well."""
    try:
        store.create(key, CONTENT)
        store.create(key, CONTENT)
    except Exists:
        return True
    return False


def _expect(received: object, expected: object, store: Store, what: str) -> None:
    if received != expected:
        raise Unusable(
            f"Expected {store.url} to give back {what}. Received: something else. Is there a cache "
            f"between this process and the store?"
        )
