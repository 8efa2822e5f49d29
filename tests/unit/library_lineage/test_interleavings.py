"""Two processes of one lineage in every order of their requests, with requests that fail and kills.

`--orders N` tries N orders of each scene, `--orders 0` all that there are. The real code runs: only that
a process sends one request after the other is arranged here, and the store is a dictionary.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from lineage_process import Process
from turns import Actor, Explored, Gone, Inline, Memory, World, explore

from perdure.cli.prune import _prune
from perdure.contract.environment import Keep
from perdure.lineage import chunk_reader, chunk_writer, lineage, pruning, table, writer
from perdure.lineage.digest import digest
from perdure.lineage.log import WriterFenced
from perdure.lineage.pruning import Overtaken
from perdure.lineage.records import Checkpoint, Record, RecordKind
from perdure.store import Unavailable

LOG = "team/digits/1/log/"
CHUNKS = "team/digits/1/chunks/"
ELEMENTS = 64
NAMES = "ABC"
KEEP = Keep(1)  # two stay
STAY = (RecordKind.START, RecordKind.PRUNED)  # so that nobody else takes their numbers

Script = Callable[[Actor], None]


@pytest.fixture(autouse=True)
def _one_request_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", Inline)
    for module in (chunk_reader, lineage, pruning, writer):
        monkeypatch.setattr(module, "in_threads", lambda function, items: [*map(function, items)])
    monkeypatch.setattr(table, "CHUNK_BYTES", 4 * ELEMENTS)
    monkeypatch.setattr(chunk_writer, "PACK_BELOW_BYTES", 2 * ELEMENTS)


def arrays(step: int) -> dict[str, Any]:
    """One tensor that stays, one whose values come back, and a small one that always changes."""
    return {
        "frozen": np.arange(ELEMENTS, dtype=np.float32) - 1000,
        "returns": np.arange(ELEMENTS, dtype=np.float32) + step % 3,
        "bias": np.full(3, step, np.float32),
    }


def process(actor: Actor, keep: Keep = KEEP) -> Process:
    """A process whose id is the same in every order."""
    process = Process(actor, keep)
    process.lineage.log.writer = actor.name
    return process


def save(process: Process, steps: range) -> None:
    """Save as the saver does: again after a failure, and cleaning that fails is left to the next."""
    for step in steps:
        for _ in range(3):
            try:
                process.save(step, arrays(step))
            except Unavailable:
                continue
            break


def goes_on(saves: int) -> Script:
    """A process that has begun already, and saves while it is looked at."""

    def script(actor: Actor) -> None:
        begun = process(actor).begin()
        actor.is_scheduled = True
        save(begun, range(10, 10 + saves))

    return script


def follows(saves: int) -> Script:
    """A process that takes over and saves. What it has read before its claim, it reads again then."""

    def script(actor: Actor) -> None:
        newer = process(actor)
        actor.is_scheduled = True
        save(newer.begin(), range(20, 20 + saves))

    return script


def prunes(keep: Keep | None = None) -> Script:
    """What `perdure checkpoints prune` does. What it has read before, it reads again."""

    def script(actor: Actor) -> None:
        found = process(actor).lineage
        actor.is_scheduled = True
        _prune(found, keep, take_over=True, dry_run=False)

    return script


@functools.cache
def lineage_of(saves: int, kept: int) -> dict[str, Any]:
    """The objects of a lineage that a process has left after so many saves, of which `kept` stay."""
    memory = Memory()
    if saves:
        save(Process(memory, Keep(kept)).begin(), range(saves))
    return memory.objects


def world_of(
    *scripts: Script, saves: int = 4, kept: int = 2, disturbances: int = 0
) -> Callable[[], World]:
    """The processes A, B, ... of these scripts on a lineage with so many saves, in this order."""

    def begin() -> World:
        memory = Memory()
        memory.objects = dict(lineage_of(saves, kept))
        names_and_scripts = zip(NAMES, scripts, strict=False)
        actors = [Actor(name, memory, script) for name, script in names_and_scripts]
        for actor in actors:
            actor.start()
        return World(memory, actors, disturbances)

    return begin


@functools.lru_cache(4096)
def decoded(data: bytes) -> Record:
    return Record.decode(data)


@functools.lru_cache(4096)
def chunks_named_by(data: bytes) -> dict[str, str]:
    """The key and digest of every chunk that a checkpoint needs."""
    chunks = Checkpoint.from_record(decoded(data)).chunks()
    return {f"{CHUNKS}{chunk.name}": chunk.digest for chunk in chunks}


def records(memory: Memory) -> dict[int, bytes]:
    found = memory.list(LOG)
    return {int(key[len(LOG) : -5]): memory.objects[key][0] for key in found}


def check(world: World) -> None:
    """What every reader relies on, after every request."""
    there = records(world.memory)
    if not there:
        return
    number = max(there)
    index = decoded(there[number]).index
    saved = {*index.checkpoints, *index.finals}
    assert saved <= there.keys(), f"records {saved - there.keys()} are missing"
    assert not saved & {*index.dropped}
    for each in saved:
        for key, name in chunks_named_by(there[each]).items():
            assert key in world.memory.objects, f"{key} of record {each} is missing"
            assert digest(world.memory.objects[key][0]) == name
    newest = max(saved, default=0)
    assert newest >= world.newest, f"checkpoint {world.newest} is not the newest any more"
    world.newest = newest
    check_last_written(world, there)


def check_last_written(world: World, there: dict[int, bytes]) -> None:
    """A checkpoint is only ever written as the newest record: who writes it has not been fenced."""
    for actor in world.actors:
        verb, key = actor.answered or ("", "")
        if verb != "create" or key not in world.memory.objects:
            continue
        number = int(key[len(LOG) : -5])
        if there[number] and decoded(there[number]).writer != actor.name:
            continue
        if decoded(there[number]).kind is RecordKind.CHECKPOINT:
            later = [decoded(there[n]) for n in there if n > number]
            assert all(number in _known(record) for record in later), f"record {number} is lost"


def _known(record: Record) -> set[int]:
    return {*record.index.checkpoints, *record.index.finals, *record.index.dropped}


def check_end(world: World) -> None:
    """Whoever was not the last is fenced or was done before; the next process finds all in order."""
    there = records(world.memory)
    last = max(number for number in there if decoded(there[number]).kind in STAY)
    for actor in world.actors:
        fenced = () if decoded(there[last]).writer == actor.name else (WriterFenced, Overtaken)
        disturbed = () if world.is_undisturbed else (Gone, Unavailable)
        allowed = (type(None), *fenced, *disturbed)
        assert isinstance(actor.ended, allowed), f"{actor.name}: {actor.ended!r}"
        assert actor.notices == []
    check_that_another_goes_on(world)


def check_that_another_goes_on(world: World) -> None:
    """It saves a few times; then there is nothing but what the log names."""
    before = world.newest
    newer = Process(world.memory, KEEP).begin()
    point = newer.lineage.point_for(0)
    assert (point.number if point else 0) == before
    if point is not None:
        np.testing.assert_array_equal(point.arrays[2], arrays(point.checkpoint.step)["bias"])
    save(newer, range(30, 33))
    assert newer.notices == []
    index = newer.lineage.log.index
    named = {key for n in index.checkpoints for key in chunks_named_by(records(world.memory)[n])}
    assert {*world.memory.list(CHUNKS)} == named
    stay = {n for n, d in records(world.memory).items() if decoded(d).kind in STAY}
    late = {n for n in records(world.memory) if f"{LOG}{n:08d}.json" in world.memory.arrived}
    assert records(world.memory).keys() - stay - late == {*index.checkpoints} - late


@pytest.fixture
def explored(request: pytest.FixtureRequest) -> Iterator[Callable[..., Explored]]:
    """Try the orders of a scene; what was tried is said at the end."""
    most = int(request.config.getoption("--orders"))
    found: list[Explored] = []

    def run(begin: Callable[[], World]) -> Explored:
        chance = random.Random(0)
        sampled = {"order": lambda waiting: chance.randrange(len(waiting))} if most else {}
        found.append(explore(begin, check, check_end, most, **sampled))
        return found[0]

    yield run
    for each in found:
        print(f"\n{request.node.name}: {each}", flush=True)


SCENES: dict[str, Callable[[], World]] = {
    "one takes over": world_of(goes_on(1), follows(1)),
    "one takes over and cleans": world_of(goes_on(2), follows(2)),
    "one takes over while numbers become free": world_of(goes_on(4), follows(1)),
    "two begin a lineage": world_of(follows(2), follows(2), saves=0),
    "two claim at once": world_of(follows(2), follows(2)),
    "a claim in between": world_of(goes_on(4), follows(1), follows(2)),
    "a cleaner": world_of(goes_on(2), prunes()),
    "a cleaner who stops the writer": world_of(goes_on(2), prunes(Keep(1)), kept=4),
    "a cleaner and a successor": world_of(goes_on(1), follows(1), prunes()),
    "a cleaner who stops a successor": world_of(follows(2), prunes(Keep(1)), kept=4),
    "two cleaners": world_of(prunes(Keep(1)), prunes(Keep(1)), kept=4),
    "a cleaner, one failure": world_of(goes_on(2), prunes(), disturbances=1),
    "a cleaner who stops the writer, one failure": world_of(
        goes_on(1), prunes(Keep(1)), kept=4, disturbances=1
    ),
    "one takes over, one failure": world_of(goes_on(2), follows(1), disturbances=1),
    "one takes over, two failures": world_of(goes_on(1), follows(1), disturbances=2),
    "saves whose values come back, two failures": world_of(goes_on(4), disturbances=2),
    "two begin a lineage, one failure": world_of(follows(1), follows(1), saves=0, disturbances=1),
}


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_lost_in_any_order(explored: Callable[..., Explored], scene: str) -> None:
    assert explored(SCENES[scene]).states > 20
