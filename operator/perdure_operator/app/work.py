"""The reconcile: gather once, decide, apply the children, write the status, tell what happened."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from perdure_operator.app.instruments import Instruments
from perdure_operator.app.queue import Queue
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.apply import Apply
from perdure_operator.cluster.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    Unavailable,
)
from perdure_operator.cluster.gather import Caches, Key, Unreadable, gather
from perdure_operator.cluster.recorder import Recorder
from perdure_operator.decide.conditions import accepted, in_phase
from perdure_operator.decide.happenings import Happening
from perdure_operator.decide.observed import Seen
from perdure_operator.decide.plan import Plan, Start
from perdure_operator.decide.reconcile import not_started, reconcile
from perdure_operator.decide.types import Phase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconciler:
    """Brings one TrainingJob a step further."""

    api: Api
    caches: Caches
    recorder: Recorder
    instruments: Instruments
    default_store: str | None = None

    async def reconcile(self, key: Key) -> float | None:
        """Look at the TrainingJob once; returns after how many seconds to look again, if at all.

        Raises:
            ApiError: something was not done; it is safe to look again.
        """
        raw, seen = self.caches.training_jobs.get(*key), gather(self.caches, key)
        if raw is None or seen is None:
            return None
        apply = Apply(self.api, self.caches, raw)
        if isinstance(seen, Unreadable):
            self.recorder.record(raw, await self._refuse(apply, seen))
            return None
        plan = await self._act(apply, seen, self._plan(seen))
        self.recorder.record(raw, await apply.status(seen.status, plan.status))
        return plan.look_again_after

    def _plan(self, seen: Seen) -> Plan:
        return reconcile(seen, now=time.time(), default_store=self.default_store)

    async def _act(self, apply: Apply, seen: Seen, plan: Plan) -> Plan:
        """Carry out the actions; returns the plan, or what is true where the API refused a start."""
        for action in plan.actions:
            try:
                await apply.action(action, seen.job)
            except (AlreadyExists, Forbidden, Invalid) as refusal:
                if not isinstance(action, Start):
                    raise
                return not_started(
                    seen, refusal.message, now=time.time(), default_store=self.default_store
                )
            if isinstance(action, Start):
                self.instruments.started(seen)
        return plan

    async def _refuse(self, apply: Apply, seen: Unreadable) -> list[Happening]:
        """Nothing is started for a spec that cannot be read; what runs, runs on."""
        now, generation = time.time(), seen.generation
        status = accepted(seen.status, seen.problem, now=now, generation=generation)
        if status.phase in {None, Phase.PENDING}:
            status = in_phase(status, Phase.PENDING, seen.problem, now=now, generation=generation)
        return await apply.status(seen.status, status)


async def work(queue: Queue[Key], reconciler: Reconciler) -> None:
    """Take keys from the queue for ever. What goes wrong with one key never harms another."""
    while True:
        key = await queue.get()
        try:
            await _work_on(key, queue, reconciler)
        finally:
            queue.done(key)


async def _work_on(key: Key, queue: Queue[Key], reconciler: Reconciler) -> None:
    started = time.monotonic()
    try:
        look_again_after = await reconciler.reconcile(key)
    except Conflict:
        outcome = "conflict"
        queue.add_rate_limited(key)
    except (ApiError, TimeoutError) as error:
        outcome = "error"
        log.warning("%s/%s: %s", *key, error)
        _try_again(key, queue, error)
    except Exception:
        outcome = "error"
        log.exception("%s/%s: reconcile failed", *key)
        queue.add_rate_limited(key)
    else:
        outcome = "success"
        queue.forget(key)
        if look_again_after is not None:
            queue.add_after(key, look_again_after)
    reconciler.instruments.reconciled(outcome, time.monotonic() - started)


def _try_again(key: Key, queue: Queue[Key], error: Exception) -> None:
    """The server's own word on when to come back, else the queue's back-off."""
    if isinstance(error, Unavailable) and error.retry_after:
        queue.add_after(key, error.retry_after)
    else:
        queue.add_rate_limited(key)
