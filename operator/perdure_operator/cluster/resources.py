"""The kinds of objects that the operator reads and writes, and where the API has them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from perdure.contract import labels


class Resource(NamedTuple):
    """One resource of the API; `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """As objects carry it: `batch/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL's path of an object, or without a name of the collection."""
        path = f"{'/apis' if self.group else '/api'}/{self.api_version}"
        if namespace:
            path += f"/namespaces/{quote(namespace, safe='')}"
        path += f"/{self.plural}"
        if name:
            path += f"/{quote(name, safe='')}"
        return f"{path}/{subresource}" if subresource else path


TRAINING_JOBS = Resource(labels.GROUP, labels.VERSION, labels.PLURAL, labels.KIND)
JOBS = Resource("batch", "v1", "jobs", "Job")
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
