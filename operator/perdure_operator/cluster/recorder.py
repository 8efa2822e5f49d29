"""Events are recorded beside the work, one after the other: no reconcile waits for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from perdure_operator.cluster import events
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.objects import Object
from perdure_operator.decide.happenings import Happening

_MOST_WAITING = 2000

log = logging.getLogger(__name__)


class Recorder:
    """Takes in what happened, and records it in order."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._waiting: asyncio.Queue[tuple[Object, Happening]] = asyncio.Queue(_MOST_WAITING)

    def record(self, regarding: Object, happenings: Iterable[Happening]) -> None:
        """Have it recorded soon; the surplus of a flood is left out, and the log says so."""
        for happening in happenings:
            try:
                self._waiting.put_nowait((regarding, happening))
            except asyncio.QueueFull:
                log.warning("event left out, too many wait: %s", happening.reason)

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            regarding, happening = await self._waiting.get()
            await events.emit(
                self._api,
                regarding,
                type="Warning" if happening.is_warning else "Normal",
                reason=happening.reason,
                message=happening.message,
                action=happening.action,
            )
