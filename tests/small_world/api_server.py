"""Objects with versions, preconditions and a history that watchers read."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from typing import Any

from perdure_operator.cluster.errors import AlreadyExists, Conflict, NotFound
from perdure_operator.cluster.resources import JOBS, PODS, TRAINING_JOBS, Resource
from perdure_operator.model.times import epoch, rfc3339

Raw = dict[str, Any]
NAMESPACE = "team"
KINDS = (TRAINING_JOBS, JOBS, PODS)


class ApiServer:
    """What etcd and the API server keep. `now` is in seconds since the epoch."""

    def __init__(self) -> None:
        self.now = epoch("2026-01-01T00:00:00Z")
        self.objects: dict[Resource, dict[str, Raw]] = {kind: {} for kind in KINDS}
        self.history: dict[Resource, list[tuple[str, Raw]]] = defaultdict(list)
        self._numbers = itertools.count(1)

    def get(self, kind: Resource, name: str) -> Raw:
        if name not in self.objects[kind]:
            raise NotFound(404, "NotFound", name)
        return copied(self.objects[kind][name])

    def all(self, kind: Resource) -> list[Raw]:
        return [copied(obj) for obj in self.objects[kind].values()]

    def create(self, kind: Resource, body: Raw) -> Raw:
        name = body["metadata"]["name"]
        if name in self.objects[kind]:
            raise AlreadyExists(409, "AlreadyExists", name)
        obj = {"apiVersion": kind.api_version, "kind": kind.kind, **copied(body)}
        obj["metadata"] |= {
            "namespace": NAMESPACE,
            "uid": f"uid-{next(self._numbers)}",
            "creationTimestamp": rfc3339(self.now),
        }
        if kind is TRAINING_JOBS:
            obj["metadata"]["generation"] = 1
        return self._keep(kind, obj)

    def patch(self, kind: Resource, name: str, patch: Raw) -> Raw:
        before = self._as_expected(kind, name, patch.get("metadata", {}))
        after = merged(before, patch)
        if kind is TRAINING_JOBS and after["spec"] != before["spec"]:
            after["metadata"]["generation"] += 1
        return copied(before) if after == before else self._keep(kind, after)

    def delete(self, kind: Resource, name: str, expected: Raw | None = None) -> None:
        """Pods go when their grace is over or the kubelet says so, everything else at once."""
        obj = self._as_expected(kind, name, expected or {})
        if kind is not PODS:
            self.remove(kind, name)
        elif "deletionTimestamp" not in obj["metadata"]:
            end = rfc3339(self.now + obj["spec"]["terminationGracePeriodSeconds"])
            self.patch(PODS, name, {"metadata": {"deletionTimestamp": end}})

    def remove(self, kind: Resource, name: str) -> None:
        obj = self.objects[kind].pop(name)
        obj = merged(obj, {"metadata": {"resourceVersion": str(next(self._numbers))}})
        self.history[kind].append(("DELETED", obj))

    def _as_expected(self, kind: Resource, name: str, expected: Raw) -> Raw:
        obj = self.get(kind, name)
        for key in ("uid", "resourceVersion"):
            if expected.get(key) not in (None, obj["metadata"][key]):
                raise Conflict(409, "Conflict", f"{name} has another {key}")
        return obj

    def _keep(self, kind: Resource, obj: Raw) -> Raw:
        obj["metadata"]["resourceVersion"] = str(next(self._numbers))
        self.objects[kind][obj["metadata"]["name"]] = obj
        self.history[kind].append(("PUT", copied(obj)))
        return copied(obj)


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def merged(target: Any, patch: Any) -> Any:
    """The JSON merge patch of RFC 7396."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = copied(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
