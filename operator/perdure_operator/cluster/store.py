"""What an informer has heard of: one newest version per object, by name and by one index."""

from __future__ import annotations

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

from perdure_operator.cluster.objects import Name, Object, name_of, uid_of, version_of

Change: TypeAlias = Callable[[Object | None, Object | None], None]

_DELETIONS_REMEMBERED = 10_000

log = logging.getLogger(__name__)


class Store:
    """Objects by namespace and name; `on_change(old, new)` is told of every change, never of none.

    Lists, events and the answers to writes arrive in any order: an older version never replaces a
    newer one, and no late answer brings back what was deleted.
    """

    def __init__(
        self, index: Callable[[Object], Hashable | None] | None, on_change: Change
    ) -> None:
        self._index = index
        self._on_change = on_change
        self._objects: dict[Name, Object] = {}
        self._indexed: defaultdict[Hashable, dict[Name, Object]] = defaultdict(dict)
        self._deleted: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, name: Name) -> Object | None:
        """The object of that name."""
        return self._objects.get(name)

    def objects(self) -> list[Object]:
        """All objects."""
        return list(self._objects.values())

    def indexed(self, key: Hashable) -> list[Object]:
        """The objects for which the index function gives `key`."""
        return list(self._indexed.get(key, {}).values())

    def put(self, obj: Object) -> None:
        """Take in an object, unless a newer version or its deletion is known."""
        name, version = name_of(obj), version_of(obj)
        if self._deleted.get(uid_of(obj), -1) >= version:
            return
        old = self._objects.get(name)
        if old is None:
            self._set(name, obj)
            self._tell(None, obj)
        elif version_of(old) < version:
            self._replace(name, old, obj)

    def remove(self, obj: Object) -> None:
        """Take out the object that is gone, as it was last, with the version of its deletion."""
        name, version = name_of(obj), version_of(obj)
        self._bury(uid_of(obj), version)
        old = self._objects.get(name)
        if old is not None and version_of(old) <= version:
            self._unset(name, old)
            self._tell(old, None)

    def replace(self, objects: Iterable[Object], version: int, namespace: str | None) -> None:
        """Take in a list of all objects of `namespace` (None: of all) as of `version`."""
        listed = {name_of(obj): obj for obj in objects}
        vanished = [
            (name, old)
            for name, old in self._objects.items()
            if name not in listed and namespace in (None, name[0]) and version_of(old) <= version
        ]
        for name, old in vanished:
            self._bury(uid_of(old), version)
            self._unset(name, old)
            self._tell(old, None)
        for obj in listed.values():
            self.put(obj)

    def clear(self, namespace: str | None) -> None:
        """Forget `namespace` (None: all) and all deletions: older versions are the truth again."""
        for name, old in list(self._objects.items()):
            if namespace in (None, name[0]):
                self._unset(name, old)
                self._tell(old, None)
        self._deleted.clear()

    def _replace(self, name: Name, old: Object, new: Object) -> None:
        self._unset(name, old)
        self._set(name, new)
        if uid_of(old) == uid_of(new):
            self._tell(old, new)
        else:
            self._bury(uid_of(old), version_of(old))
            self._tell(old, None)
            self._tell(None, new)

    def _set(self, name: Name, obj: Object) -> None:
        self._objects[name] = obj
        key = self._index(obj) if self._index else None
        if key is not None:
            self._indexed[key][name] = obj

    def _unset(self, name: Name, obj: Object) -> None:
        del self._objects[name]
        key = self._index(obj) if self._index else None
        if key is not None:
            del self._indexed[key][name]
            if not self._indexed[key]:
                del self._indexed[key]

    def _bury(self, uid: str, version: int) -> None:
        self._deleted[uid] = max(version, self._deleted.pop(uid, version))
        if len(self._deleted) > _DELETIONS_REMEMBERED:
            self._deleted.popitem(last=False)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        try:
            self._on_change(old, new)
        except Exception:
            log.exception("a change was not passed on: %s", name_of(new or old or {}))
