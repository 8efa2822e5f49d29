"""Events (events.k8s.io/v1): what `kubectl describe` shows of a job's history.

An event is said by its name, which follows from what it says: saying it again counts on the one that
is there, also after a restart. Losing one is harmless, so nothing here raises or waits for long.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Literal

from perdure.contract.labels import GROUP
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.errors import AlreadyExists, ApiError
from perdure_operator.cluster.objects import Object, name_of, uid_of
from perdure_operator.cluster.resources import EVENTS

CONTROLLER = f"{GROUP}/operator"
_NOTE_BYTES = 1024
_BURST = 25
_SECONDS_PER_EVENT = 300.0
_OBJECTS_REMEMBERED = 4096

log = logging.getLogger(__name__)


class Rate:
    """How many events one object may have: 25 at once and one more every five minutes, as client-go."""

    def __init__(self) -> None:
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, uid: str, now: float) -> bool:
        """Whether the object may have one more event at `now`; counts it if so."""
        spent, since = self._spent.pop(uid, (0.0, now))
        spent = max(0.0, spent - (now - since) / _SECONDS_PER_EVENT)
        allowed = spent + 1 <= _BURST
        self._spent[uid] = (spent + allowed, now)
        if len(self._spent) > _OBJECTS_REMEMBERED:
            self._spent.popitem(last=False)
        return allowed


_rate = Rate()


async def emit(
    api: Api,
    regarding: Object,
    *,
    type: Literal["Normal", "Warning"],  # noqa: A002 - the API's own word
    reason: str,
    message: str,
    action: str,
) -> None:
    """Record that `reason` happened to `regarding` while the operator did `action`."""
    if not _rate.allows(uid_of(regarding), time.monotonic()):
        log.info("event of %s left out, too many: %s", name_of(regarding), reason)
        return
    event = _event(regarding, type, reason, message, action)
    namespace, name = name_of(event)
    try:
        try:
            await api.create(EVENTS, namespace, event)
        except AlreadyExists:
            await _count(api, namespace, name)
    except ApiError as error:
        log.warning("event of %s not recorded: %s: %s", name_of(regarding), reason, error)


async def _count(api: Api, namespace: str, name: str) -> None:
    """Count one more. An empty patch reads the event: the operator may patch events, not get them."""
    known = await api.merge_patch(EVENTS, namespace, name, {})
    count = (known.get("series") or {}).get("count", 1) + 1
    series = {"count": count, "lastObservedTime": _now()}
    await api.merge_patch(EVENTS, namespace, name, {"series": series})


def _event(regarding: Object, type_: str, reason: str, message: str, action: str) -> Object:
    namespace, name = name_of(regarding)
    said = "\0".join((uid_of(regarding), type_, reason, message, action))
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"namespace": namespace or "default", "name": f"{name[:200]}.{digest}"},
        "eventTime": _now(),
        "type": type_,
        "reason": reason,
        "action": action,
        "note": message.encode()[:_NOTE_BYTES].decode(errors="ignore"),
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "namespace": namespace,
            "name": name,
            "uid": uid_of(regarding),
            "resourceVersion": regarding["metadata"].get("resourceVersion", ""),
        },
        "reportingController": CONTROLLER,
        "reportingInstance": socket.gethostname()[:128],
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
