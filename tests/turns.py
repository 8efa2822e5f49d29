"""Every order in which the requests of several processes can reach one store.

Each process is a thread that runs real code; before each of its requests it waits for its turn. Which
request is next is a choice, and `explore` tries all sequences of choices, each from the start. Where two
sequences led to the same store and to the same answers for everybody, only one of them is gone on with.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from perdure.store import Exists, Missing, Unavailable

WAIT_SECONDS = 30.0

Tag = tuple[str, int]
"""Which request of which process wrote an object."""


Late = tuple[str, str, tuple[Any, ...], Tag]


class Gone(BaseException):
    """The process is dead: killed, or not looked at any further."""


class Inline:
    """A pool without threads: what is submitted is done at once."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        """There is nothing to start."""

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_error: object) -> None:
        """There is nothing to wait for."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_options: Any) -> None:
        """There is nothing to end."""


class Memory:
    """A store whose every request is done at once; remembers who wrote what."""

    url = "memory:"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Tag]] = {}
        self.tag: Tag = ("", 0)
        self.late: list[Late] = []
        """Requests that their senders have given up, and that will arrive all the same."""
        self.arrived: set[str] = set()
        """The keys of those that have."""

    def arrive(self, place: int) -> None:
        """Do a request that is late; nobody hears the answer."""
        verb, key, data, self.tag = self.late.pop(place)
        self.arrived.add(key)
        with contextlib.suppress(Exists):
            getattr(self, verb)(key, *data)

    def get(self, key: str, _most_bytes: int = 0) -> bytes:
        if key not in self.objects:
            raise Missing(key)
        return self.objects[key][0]

    def put(self, key: str, data: Any) -> None:
        self.objects[key] = (bytes(data), self.tag)

    def create(self, key: str, data: Any) -> None:
        if key in self.objects:
            raise Exists(key)
        self.objects[key] = (bytes(data), self.tag)

    def list(self, prefix: str) -> dict[str, int]:
        found = {key: len(data) for key, (data, _) in self.objects.items()}
        return {key: found[key] for key in sorted(found) if key.startswith(prefix)}

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class Actor:
    """A process, and the store as it sees it."""

    def __init__(self, name: str, memory: Memory, script: Callable[[Actor], None]) -> None:
        self.name = name
        self.notices: list[str] = []
        self.ended: BaseException | None = None
        self.is_done = False
        self.is_killed = False
        self.history = 0
        """A digest of all answers so far: on them alone depends what the process does next."""
        self.pending: tuple[str, str] | None = None
        self.answered: tuple[str, str] | None = None
        self.is_scheduled = False
        self._memory = memory
        self._count = 0
        self._outcome = ""
        self._turn, self._stopped = threading.Lock(), threading.Lock()  # held but for a moment
        self._turn.acquire()
        self._stopped.acquire()
        self._thread = threading.Thread(target=self._run, args=(script,), name=name)
        self.url = memory.url

    def _run(self, script: Callable[[Actor], None]) -> None:
        try:
            script(self)
        except (Exception, Gone) as error:
            self.ended = error
        self.is_done = True
        self.pending = None
        self._stopped.release()

    def start(self) -> None:
        """Run until the first request that waits for its turn."""
        self._thread.start()
        self._wait()

    def go(self, outcome: str) -> None:
        """Let the request that waits be done, with `outcome`, and run until the next one."""
        self._outcome = outcome
        self._turn.release()
        self._wait()

    def end(self) -> None:
        """Let it die where it is."""
        self.is_killed = True
        if not self.is_done:
            self.go("kill")
        self._thread.join()

    def _wait(self) -> None:
        assert self._stopped.acquire(timeout=WAIT_SECONDS), f"{self.name} does not stop"

    def get(self, key: str, most_bytes: int = 0) -> Any:
        return self._request("get", key, most_bytes)

    def put(self, key: str, data: Any) -> None:
        self._request("put", key, data)

    def create(self, key: str, data: Any) -> None:
        self._request("create", key, data)

    def list(self, prefix: str) -> Any:
        return self._request("list", prefix)

    def delete(self, key: str) -> None:
        self._request("delete", key)

    def _request(self, verb: str, key: str, *data: Any) -> Any:
        outcome = self._await_turn(verb, key)
        self._count += 1
        self._memory.tag = (self.name, self._count)
        if outcome in ("refused", "late"):
            self._note(verb, key, outcome)
            if outcome == "late":
                self._memory.late.append((verb, key, data, self._memory.tag))
            raise Unavailable(outcome)
        try:
            answer = getattr(self._memory, verb)(key, *data)
        except (Missing, Exists) as error:
            self._note(verb, key, type(error).__name__)
            raise
        if outcome == "unanswered":
            self._note(verb, key, "unanswered")
            raise Unavailable("no answer")
        if outcome == "lost":  # asked again below this interface, which finds what it has written
            self._note(verb, key, "lost")
            raise Exists(key)
        self._note(verb, key, self._seen(verb, key, answer))
        return answer

    def _await_turn(self, verb: str, key: str) -> str:
        if not self.is_scheduled:
            return ""
        if self.is_killed:
            raise Gone
        self.pending = (verb, key)
        self._stopped.release()
        self._turn.acquire()
        if self._outcome == "kill":
            self.is_killed = True
            raise Gone
        return self._outcome

    def _seen(self, verb: str, key: str, answer: Any) -> Hashable:
        return self._memory.objects[key][1] if verb == "get" else tuple(answer or ())

    def _note(self, verb: str, key: str, seen: Hashable) -> None:
        self.answered = (verb, key)
        self.history = hash((self.history, verb, key, seen))


Move = tuple[int, str]
"""Whose turn it is, and what becomes of its request: "" is done, or one of FAULTS, or "kill"; or which
late request "arrives".
"""

Beginning = tuple[Sequence[Move], int]
"""The first moves of an order that is still to be tried, and the newest checkpoint before the last."""

FAULTS: dict[str, tuple[str, ...]] = {
    "create": ("lost", "refused", "unanswered", "late"),
    "put": ("refused", "late"),
    "delete": ("refused", "unanswered", "late"),
}


@dataclass
class World:
    """One store and the processes at it, after some moves."""

    memory: Memory
    actors: list[Actor]
    disturbances: int
    """How many faults and kills may still happen."""
    moves: list[Move] = field(default_factory=list)
    newest: int = 0
    """The newest checkpoint that any record has named so far."""

    @property
    def is_undisturbed(self) -> bool:
        """Whether nothing has failed."""
        return all(outcome == "" for _, outcome in self.moves)

    def choices(self) -> list[Move]:
        """What can happen next."""
        found = [(place, "arrives") for place in range(len(self.memory.late))]
        for place, actor in enumerate(self.actors):
            if actor.is_done or actor.pending is None:
                continue
            found.append((place, ""))
            if self.disturbances:
                found += [(place, fault) for fault in (*FAULTS.get(actor.pending[0], ()), "kill")]
        return found

    def make(self, move: Move) -> None:
        """Let it happen."""
        place, outcome = move
        self.moves.append(move)
        if outcome == "arrives":
            self.memory.arrive(place)
            return
        self.disturbances -= outcome != ""
        self.actors[place].go(outcome)

    def state(self) -> Hashable:
        """What the future depends on."""
        objects = frozenset((key, tag) for key, (_, tag) in self.memory.objects.items())
        answers = tuple((actor.history, actor.is_done) for actor in self.actors)
        late = tuple((verb, key, tag) for verb, key, _, tag in self.memory.late)
        return hash(objects), answers, late, self.disturbances

    def end(self) -> None:
        """Let every process die that has not ended."""
        for actor in self.actors:
            actor.end()


@dataclass
class Explored:
    """How much was tried."""

    orders: int = 0
    states: int = 0
    is_whole: bool = True


def explore(
    begin: Callable[[], World],
    after_each: Callable[[World], None],
    at_end: Callable[[World], None],
    most_orders: int = 0,
    order: Callable[[list[Beginning]], int] = lambda _waiting: -1,
) -> Explored:
    """Try all orders, or `most_orders` of them where that is not 0.

    `begin` gives a world whose processes stand before their first requests; `order` picks which of the
    beginnings that wait is gone on with, the newest unless told otherwise.
    """
    waiting: list[Beginning] = [((), 0)]
    seen: set[Hashable] = set()
    explored = Explored()
    while waiting and not (most_orders and explored.orders >= most_orders):
        prefix, newest = waiting.pop(order(waiting))
        explored.orders += 1
        world = begin()
        try:
            for move in prefix:
                world.make(move)
            world.newest = newest
            waiting += _walk(world, seen, after_each, at_end)
        except AssertionError as error:
            error.add_note(f"after {_told(world.moves)}")
            raise
        finally:
            world.end()
    explored.states, explored.is_whole = len(seen), not waiting
    return explored


def _walk(
    world: World, seen: set[Hashable], after_each: Callable[[World], None],
    at_end: Callable[[World], None],
) -> list[Beginning]:  # fmt: skip
    """Go on until a known state or the end; gives the beginnings of what was not chosen."""
    others: list[Beginning] = []
    while True:
        after_each(world)
        state = world.state()
        if state in seen:
            return others
        seen.add(state)
        choices = world.choices()
        if not choices:
            at_end(world)
            return others
        others += [((*world.moves, choice), world.newest) for choice in choices[1:]]
        world.make(choices[0])


def _told(moves: Sequence[Move]) -> str:
    """The order in words: runs of one process' requests."""
    told: list[str] = []
    for place, outcome in moves:
        told.append(f"{'ABCDE'[place]}{':' + outcome if outcome else ''}")
    return " ".join(told)
