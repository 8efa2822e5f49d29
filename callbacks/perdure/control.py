"""Live control of one process: what is asked for, what was obeyed, and what is in force of it.

A request that changes training is put on record with its place before it takes effect. A process that
goes on from an older checkpoint therefore obeys it again after the same batch, before anything new.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perdure.board import Board
from perdure.contract.requests import Request, Verb
from perdure.contract.status import Kind
from perdure.lineage.records import Obeyed


class Control:
    """The requests as this process knows them."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.newest: Request | None = None
        self.seen = 0
        """The newest id that was obeyed or refused."""
        self.factor = 1.0
        """What the learning rate is multiplied by."""
        self._applied = 0
        self._again: list[Obeyed] = []

    def know(self, obeyed: Iterable[Obeyed]) -> None:
        """What the lineage says was obeyed, in its order; of two records of a request the later counts."""
        by_id = {request.id: request for request in obeyed}
        again = [request for request in by_id.values() if request.cursor is not None]
        self._again = [request for request in again if request.id > self._applied]
        for number in by_id:
            self.settle(number)

    def resume(self, saved: dict[str, Any]) -> None:
        """Training goes on from a checkpoint that has `saved`, which `state` gave."""
        self._applied = saved.get("applied", 0)
        self.factor = saved.get("factor", 1.0)
        self._again = [request for request in self._again if request.id > self._applied]

    def state(self) -> dict[str, Any]:
        """What of this belongs to a checkpoint."""
        return {"applied": self._applied, "factor": self.factor}

    @property
    def is_due(self) -> bool:
        """Whether there may be anything to obey; asked at every step."""
        return bool(self._again) or self.waiting is not None

    @property
    def waiting(self) -> Request | None:
        """A request that is new. To stop is not the training thread's to decide on."""
        newest = self.newest
        is_new = newest is not None and newest.id > self.seen and newest.verb is not Verb.STOP
        return newest if is_new else None

    def next_again(self, cursor: Any) -> Request | None:
        """The next request that was obeyed at `cursor`, or before it and after the checkpoint."""
        if not self._again or self._again[0].cursor > cursor:
            return None
        obeyed = self._again.pop(0)
        return Request(obeyed.id, Verb(obeyed.verb), obeyed.arguments)

    @property
    def is_behind(self) -> bool:
        """Whether training has not come to all that was obeyed before; anything new waits for that."""
        return bool(self._again)

    def applied(self, request: Request) -> None:
        """Training now has the effect of `request`."""
        self._applied = request.id
        self.settle(request.id)

    def settle(self, number: int) -> None:
        """Request `number` is done with; older ones are ignored from now on."""
        self.seen = max(self.seen, number)
        self._board.obeyed(number)

    def refuse(self, sentence: str, number: int | None) -> None:
        """Say why a request is not obeyed; training goes on."""
        self._board.notice(Kind.REQUEST_REFUSED, sentence)
        if number is not None:
            self.settle(number)
