"""The newest request of the annotation perdure.dev/request: is it one, and what became of it?"""

from __future__ import annotations

from perdure.contract.requests import ANNOTATION, Request
from perdure_operator.decide.observed import Problem
from perdure_operator.model.status import RequestState

_LONGEST_MESSAGE = 1000


def refused(text: str | None) -> Problem | None:
    """Why the annotation is no request."""
    if text is None:
        return None
    try:
        Request.from_json(text)
    except ValueError as error:
        return Problem("NotUnderstood", f"annotation {ANNOTATION}: {error}"[:_LONGEST_MESSAGE])
    return None


def understood(text: str | None) -> str | None:
    """The annotation if it is a request: what no trainer can obey is not passed on."""
    return None if refused(text) else text


def state(known: RequestState | None, text: str | None, obeyed: str | None) -> RequestState | None:
    """What became of the newest request, by the id that a trainer says it has `obeyed` last.

    A trainer that has just begun says nothing of what the one before it obeyed.
    """
    done = [int(obeyed)] if obeyed is not None and obeyed.isdecimal() else []
    done += [known.id] if known and known.obeyed else []
    asked = understood(text)
    newest = Request.from_json(asked).id if asked else max(done, default=None)
    if newest is None:
        return known
    return RequestState(id=newest, obeyed=max(done, default=newest - 1) >= newest)
