"""What a faulty network, a busy server or a broken cache does to one request: see `s3_proxy`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Where = Literal["request", "answer"]


@dataclass(frozen=True)
class Request:
    """A request as the proxy has received it. `number` counts from 1, in the order of arrival."""

    number: int
    kind: str
    """put, create, get, list, delete or head; of others the HTTP method."""
    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Refuse:
    """The proxy answers in the server's place, as S3 does; the server hears nothing."""

    status: int
    code: str
    message: str = "The proxy was told to."


@dataclass(frozen=True)
class Cut:
    """The connection is reset in the middle of the request's or of the answer's body."""

    where: Where


@dataclass(frozen=True)
class Stall:
    """Not a byte moves any more: before the server has heard of the request, or in the middle of
    the answer's body. After `seconds` the connection is reset.
    """

    where: Where
    seconds: float = 600.0


@dataclass(frozen=True)
class Truncate:
    """Half of the answer's body, then an orderly end; its Content-Length promises all of it."""


@dataclass(frozen=True)
class Shorten:
    """Half of the answer's body, and a Content-Length that says just that: HTTP finds no fault."""


@dataclass(frozen=True)
class Flip:
    """One bit of the request's or of the answer's body is another one."""

    where: Where


@dataclass(frozen=True)
class WrongETag:
    """The answer's ETag belongs to something else."""


@dataclass(frozen=True)
class LoseAnswer:
    """The server obeys; its answer never comes, the connection is reset."""


@dataclass(frozen=True)
class Ignore:
    """The server does as if the request did not have the header `name`, as one that does not know it.

    For servers that check no signatures: such a header is signed.
    """

    name: str


@dataclass(frozen=True)
class Delay:
    """The request is passed on after `seconds`."""

    seconds: float


Fault = Refuse | Cut | Stall | Truncate | Shorten | Flip | WrongETag | LoseAnswer | Ignore | Delay
OnRequest = Callable[[Request], Fault | None]

SLOW_DOWN = Refuse(503, "SlowDown", "Please reduce your request rate.")
TRANSIENT: tuple[Fault, ...] = (
    SLOW_DOWN,
    Refuse(500, "InternalError"),
    Refuse(503, "ServiceUnavailable"),
    Refuse(409, "OperationAborted"),
    Refuse(403, "RequestTimeTooSkewed"),
    Refuse(400, "ExpiredToken"),
    Cut("request"),
    Cut("answer"),
    Truncate(),
    LoseAnswer(),
    WrongETag(),
    Delay(0.05),
)
"""What a client survives by asking again, in less than a second. A lost answer of a conditional
write is found by reading; what changes bytes is found by whoever knows their digest."""


def first(number: int, fault: Fault, *kinds: str) -> OnRequest:
    """`fault` for the first `number` requests, of the given kinds only."""
    left = [fault] * number

    def on_request(request: Request) -> Fault | None:
        if kinds and request.kind not in kinds:
            return None
        return left.pop() if left else None

    return on_request


def sometimes(seed: int, share: float, faults: Sequence[Fault] = TRANSIENT) -> OnRequest:
    """One of `faults` for this `share` of the requests; request n of a seed always gets the same."""

    def on_request(request: Request) -> Fault | None:
        chance = random.Random(f"{seed}/{request.number}")
        return chance.choice(faults) if chance.random() < share else None

    return on_request
