"""What there is: the lineages of a store, the checkpoints of a lineage, and what each takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from perdure.contract.environment import InvalidSetting, Job
from perdure.lineage.lineage import Lineage
from perdure.lineage.log import NoStart
from perdure.lineage.parallel import in_threads
from perdure.lineage.records import Checkpoint, OtherSchema
from perdure.lineage.table import Chunk, Damaged
from perdure.store import Store

OTHER_VERSION = "of another version"
DAMAGED = "damaged"


@dataclass(frozen=True)
class Summary:
    """A lineage in one line; `bytes` are those of all its objects in the store."""

    job: str
    state: str
    step: int | None
    checkpoints: int
    bytes: int


def summaries(store: Store) -> list[Summary]:
    """All lineages in `store`, by name."""
    sizes = lineage_sizes(store.list(""))
    return in_threads(lambda job: _summary(store, job, sizes[job]), sorted(sizes, key=str))


def lineage_sizes(keys: Mapping[str, int]) -> dict[Job, int]:
    """The bytes of each lineage among the objects of a store; what else lies there is passed over."""
    sizes: Counter[Job] = Counter()
    for key, size in keys.items():
        parts = key.split("/")
        if len(parts) < 5 or parts[3] not in ("log", "chunks"):
            continue
        try:
            sizes[Job.parse("/".join(parts[:3]))] += size
        except InvalidSetting:
            continue  # a person's own file
    return dict(sizes)


def _summary(store: Store, job: Job, size: int) -> Summary:
    damages: list[str] = []
    try:
        lineage = Lineage(store, job, 0, damages.append)
        saved = [checkpoint for _, _, checkpoint in lineage.saved()]
        is_intact = _has_its_start(lineage) and not damages
    except OtherSchema:
        return Summary(str(job), OTHER_VERSION, None, 0, size)
    except Damaged:
        return Summary(str(job), DAMAGED, None, 0, size)
    state = "finished" if lineage.is_finished else "unfinished"
    step = saved[-1].step if saved else None
    return Summary(str(job), state if is_intact else DAMAGED, step, len(saved), size)


def _has_its_start(lineage: Lineage) -> bool:
    """A lineage that nobody has begun has none to lose."""
    try:
        return lineage.start is not None or not lineage.exists
    except NoStart:
        return False


def sole_bytes(checkpoints: Mapping[int, Checkpoint]) -> dict[int, int]:
    """For each checkpoint the bytes in the store that no other one of these needs."""
    chunks = {number: {*checkpoint.chunks()} for number, checkpoint in checkpoints.items()}
    users = Counter(chunk for named in chunks.values() for chunk in named)
    return {
        number: stored_bytes(chunk for chunk in named if users[chunk] == 1)
        for number, named in chunks.items()
    }


def stored_bytes(chunks: Iterable[Chunk]) -> int:
    """What chunks take in the store."""
    return sum(chunk.stored for chunk in chunks)
