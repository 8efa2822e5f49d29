"""The covering set of {data} x {model} x {callbacks} x {where it is killed} x {signal}, and how it is played.

A scene is one training with all kills that the covering set has for its data, model and callbacks. It is
compared with the undisturbed one in everything that the ends of its fits hold, and in what the script
sees and leaves on the disk.
"""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covering import Row, covering
from trainers import Ended, Job, Nursery

from perdure.contract.environment import Job as Named
from perdure.contract.exits import ExitCode
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Checkpoint
from perdure.store import open_store

SEED = 20261122
DATA = (
    "array_shuffled",
    "array_seeded_by_script",
    "py_dataset",
    "tf_data",
    "tf_data_split",
    "tf_data_endless",
    "tf_data_cached",
    "tf_data_of_unknown_length",
    "index_first",
    "factory",
    "generator",
)
MODELS = (
    "sequential_unbuilt",
    "functional",
    "subclassed",
    "augmented",
    "batch_norm_with_ema",
    "mixed_precision",
    "gradient_accumulation",
    "steps_per_execution",
)
CALLBACKS = ("stopping", "rates", "files", "board", "own")
PLACES = (
    "first batch",
    "inside",
    "save",
    "commit",
    "last batch",
    "validation",
    "epoch end",
    "on_train_end",
    "between fits",
)
ENDS = ("on_train_end", "between fits")
AT_THE_END = 4  # later than any epoch
SIGNALS = ("SIGTERM", "SIGKILL")
FACTORS = (DATA, MODELS, CALLBACKS, PLACES, SIGNALS)
STRENGTH = 3


@dataclass(frozen=True, order=True)
class Kill:
    """A signal at a place, the first time from `epoch` on; in the order in which training comes by."""

    epoch: int
    place_number: int
    signal: str

    @property
    def place(self) -> str:
        """One of `PLACES`."""
        return PLACES[self.place_number]

    def __str__(self) -> str:
        epoch = "" if self.place in ENDS else f" of epoch {self.epoch}"
        return f"{self.signal} at {self.place}{epoch}"


@dataclass(frozen=True)
class Scene:
    """One training and where it is killed."""

    data: str
    model: str
    callbacks: str
    kills: tuple[Kill, ...]

    @property
    def name(self) -> str:
        """What the scene is told apart by."""
        return f"{self.data} {self.model} {self.callbacks}: {', '.join(map(str, self.kills))}"


def covering_scenes() -> list[Scene]:
    """The scenes of the 3-way covering set, always the same, in an order that mixes all factors."""
    rows: dict[Row, list[Row]] = {}
    for row in covering(FACTORS, STRENGTH, SEED):
        rows.setdefault(row[:3], []).append(row[3:])
    scenes = [Scene(*training, _kills(training, kills)) for training, kills in rows.items()]
    random.Random(SEED).shuffle(scenes)
    return scenes


def _kills(training: Row, kills: Sequence[Row]) -> tuple[Kill, ...]:
    """Where the same place comes twice, the second is in a later epoch, of the three of every training."""
    draw = random.Random(f"{SEED} {training}")
    drawn = [
        Kill(AT_THE_END if at in ENDS else draw.randint(0, 1), PLACES.index(at), how)
        for at, how in kills
    ]
    return tuple(sorted(drawn))


class Unlike(Exception):
    """The disturbed training is not as the undisturbed one; the message says in what."""


def play(scene: Scene, nursery: Nursery, folder: Path) -> None:
    """Train undisturbed and disturbed.

    Raises:
        Unlike: they differ, or a kill did not go as it has to.
    """
    arguments = [scene.data, scene.model, scene.callbacks]
    undisturbed = Job(nursery, folder, "scene.py", arguments, run="undisturbed")
    _run(undisturbed)
    job = Job(nursery, folder, "scene.py", arguments, run="killed")
    for kill in scene.kills:
        _kill(job, kill)
    _run(job)
    for part, ours, theirs in zip(
        ("fits", "script"), _outcome(undisturbed), _outcome(job), strict=True
    ):
        _compare(part, ours, theirs)


def _run(job: Job) -> None:
    ended = job.attempt()
    if ended.code != ExitCode.FINISHED:
        raise Unlike(f"run {job.run} ended with {ended.code}\n{ended.output[-3000:]}")


def _kill(job: Job, kill: Kill) -> None:
    number = signal.Signals[kill.signal]
    ended = job.attempt(
        KILL=f"{kill.place}:{kill.epoch}", SIGNAL=str(int(number)),
        PERDURE_EVERY="3 steps", PERDURE_GRACE="8",
    )  # fmt: skip
    expected = -signal.SIGKILL if number == signal.SIGKILL else ExitCode.RESUME
    if ended.code != expected or f"reached {kill.place} " not in ended.output:
        raise Unlike(f"{kill}: exit code {ended.code}\n{ended.output[-3000:]}")
    if number == signal.SIGTERM:
        _check_that_nothing_is_lost(kill, ended)


def _check_that_nothing_is_lost(kill: Kill, ended: Ended) -> None:
    status = ended.status
    assert status is not None
    saved = status.checkpoint.step if status.checkpoint else 0
    if status.steps_trained and saved != status.step:
        raise Unlike(f"{kill}: step {saved} of {status.step} was saved\n{ended.output[-3000:]}")


def _outcome(job: Job) -> tuple[Any, Any]:
    """All that the ends of the fits hold, and what the script said at its end."""
    lineage = Lineage(open_store(job.store), Named.parse(job.name), 0, _refuse)
    lines = job.attempts[-1].output.splitlines()
    said = [json.loads(line.removeprefix("said ")) for line in lines if line.startswith("said ")]
    return [_end(checkpoint) for checkpoint in lineage.ends_of_fits()], said


def _refuse(damage: str) -> None:
    raise Unlike(damage)


COMPARED_OTHERWISE = ("state", "files")
"""Groups of tensors: by the state that names them, and as files on the disk without their dates."""
COMPARED = ("callbacks", "history", "history_epochs", "host", "eager", "fit")


def _end(checkpoint: Checkpoint) -> dict[str, Any]:
    entries = checkpoint.tensors
    sums = [entry.checksum for entry in entries if entry.group == "state"]
    return {
        "cursor": checkpoint.cursor,
        "step": checkpoint.step,
        "tensors": [
            (e.group, e.path, e.dtype, e.shape, e.checksum)
            for e in entries
            if e.group not in COMPARED_OTHERWISE
        ],
        **{part: _with_checksums(checkpoint.state[part], sums) for part in COMPARED},
    }


def _with_checksums(document: Any, sums: Sequence[str]) -> Any:
    """An encoded document that names arrays by their checksums. Times are left out, and whether CSVLogger
    writes a header: a resumed one goes on in a file that has one, and the files are compared.
    """
    if isinstance(document, list):
        return [_with_checksums(item, sums) for item in document]
    if not isinstance(document, dict):
        return document
    if "$array" in document:
        return sums[document["$array"]]
    left_out = [key for key in document if key.endswith("_time") or key == "append_header"]
    return {k: _with_checksums(v, sums) for k, v in document.items() if k not in left_out}


def _compare(part: str, ours: Any, theirs: Any) -> None:
    if not ours:
        raise Unlike(f"{part}: there is nothing to compare")
    for where, one, other in _differences(part, ours, theirs):
        raise Unlike(f"{where}: {one!r} undisturbed, {other!r} disturbed")


def _differences(where: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Where two documents differ, the order of their keys included, and the values there."""
    if isinstance(one, dict) and isinstance(other, dict) and [*one] == [*other]:
        for key in one:
            yield from _differences(f"{where} / {key}", one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _differences(f"{where} / {place}", a, b)
    elif one != other:
        yield where, one, other
