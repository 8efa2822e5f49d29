"""What a run has come to: the tensors and the History of each finished fit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from perdure.contract.proof import DIGITS
from perdure_operator.build.environment import lineage
from perdure_operator.local.plan import Plan


class ResultsError(RuntimeError):
    """The results cannot be read; the message is a sentence."""


@dataclass(frozen=True)
class Tensor:
    """A tensor at its position; the path is for messages, because names differ between runs."""

    group: str
    index: int
    path: str
    dtype: str
    shape: tuple[int, ...]
    digest: str


@dataclass(frozen=True)
class Row:
    """The digests of all tensors after `step` steps of a fit, which is after `batch` batches of `epoch`."""

    step: int
    epoch: int
    batch: int
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """A finished `fit`. `rows` are those of the steps that were recorded, `paths` their tensors' names;
    `callbacks` the digests of their states by the callback's name, its place among those of that name,
    and the attribute.
    """

    fit: int
    digest: str
    steps: int
    history: dict[str, list[Any]]
    tensors: tuple[Tensor, ...]
    callbacks: dict[tuple[str, int, str], str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Results:
    """What a run has come to."""

    job: str
    finished: bool
    fits: tuple[Fit, ...]

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Parse what `perdure checkpoints results` prints."""
        document = json.loads(text)
        fits = tuple(_fit(fit) for fit in document["fits"])
        return cls(document["job"], document["finished"], fits)


def _fit(document: dict[str, Any]) -> Fit:
    tensors = tuple(
        Tensor(t["group"], t["index"], t["path"], t["dtype"], tuple(t["shape"]), t["digest"])
        for t in document["tensors"]
    )
    recorded = document["fingerprints"] or {"paths": [], "rows": []}
    return Fit(
        document["fit"], document["digest"], document["steps"], document["history"], tensors,
        callbacks=_callbacks(document["callbacks"]),
        paths=tuple(recorded["paths"]),
        rows=tuple(_row(row) for row in recorded["rows"]),
    )  # fmt: skip


def _callbacks(documents: Iterable[dict[str, Any]]) -> dict[tuple[str, int, str], str]:
    states: dict[tuple[str, int, str], str] = {}
    seen = Counter[str]()
    for document in documents:
        name = document["name"]
        states |= {(name, seen[name], part): sum_ for part, sum_ in document["values"].items()}
        seen[name] += 1
    return states


def _row(document: dict[str, Any]) -> Row:
    digests, size = document["digests"], DIGITS
    cut = tuple(digests[start : start + size] for start in range(0, len(digests), size))
    return Row(document["step"], document["epoch"], document["batch"], cut)


def read_results(plan: Plan) -> Results:
    """The results of `plan`'s run, read from its store by the library's own command.

    The library knows the store's formats; a process of its own, because the runner must not need
    what the library needs.
    """
    command = [sys.executable, "-m", "perdure", "checkpoints", "results"]
    command += ["--store", plan.store, "--job", str(lineage(plan.job))]
    done = subprocess.run(
        command, env=plan.variables(), capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise ResultsError(
            f"expected the results of {lineage(plan.job)} from {plan.store}. Received: exit code "
            f"{done.returncode}, {last}"
        )
    try:
        return Results.from_json(done.stdout)
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"expected results as JSON. Received: {error!r}.") from error
