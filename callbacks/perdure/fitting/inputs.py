"""What a pipeline is made from, as far as it can be seen: the files that it reads and the seeds of its
shuffles. Kept in checkpoints, so that a resumed process can name what has changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from perdure.lineage.digest import digest_of
from perdure.pipeline_internals import Traits

MOST_SIZES = 10_000
"""Of more files than this only the names are compared: asking for a size takes a request where files are
on a network.
"""


def inputs_of(traits: Traits) -> dict[str, Any]:
    """The JSON form of what `traits` says of files and seeds."""
    names = _without_common_folder(traits.files)
    sizes = _sizes(traits.files)
    return {
        "files": len(names),
        "bytes": None if sizes is None else sum(sizes),
        "names": digest_of(sorted(names)),
        "order": digest_of(names),
        "sizes": None if sizes is None else digest_of(_sorted_pairs(names, sizes)),
        "seeds": [list(pair) for pair in traits.seeds],
    }


def _without_common_folder(names: Sequence[str]) -> list[str]:
    """Another process may have the same files mounted elsewhere."""
    split = [name.split("/") for name in names]
    folders = zip(*(parts[:-1] for parts in split), strict=False)
    common = len(list(takewhile(lambda parts: len(set(parts)) == 1, folders)))
    return ["/".join(parts[common:]) for parts in split]


def _sizes(names: Sequence[str]) -> list[int] | None:
    if len(names) > MOST_SIZES or not all(map(os.path.isfile, names)):
        return None
    return [os.path.getsize(name) for name in names]


def _sorted_pairs(names: Iterable[str], sizes: Iterable[int]) -> list[str]:
    return sorted(f"{name} {size}" for name, size in zip(names, sizes, strict=True))


def changes(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """A sentence for each thing in which `now` is not what the lineage was trained on before."""
    if before["names"] != now["names"]:
        yield (
            f"the pipeline reads other files than this lineage was trained on ({_files(before)} -> "
            f"{_files(now)}), so the result is not that of an undisturbed run. Give it the same list, or "
            f"use a new spec.run (PERDURE_JOB)"
        )
    elif before["order"] != now["order"]:
        yield (
            f"the pipeline reads its {now['files']} files in another order than before, so the result is not "
            f"that of an undisturbed run. Sort their names, or shuffle them with a seed{_hash_seed()}"
        )
    elif None not in (before["sizes"], now["sizes"]) and before["sizes"] != now["sizes"]:
        yield (
            f"the pipeline's files have other sizes than before ({_files(before)} -> {_files(now)}), so "
            f"the result is not that of an undisturbed run. Use a new spec.run (PERDURE_JOB) for new data"
        )
    if before["seeds"] != now["seeds"]:
        yield (
            f"the pipeline's shuffles have other seeds than before ({_seeds(before)} -> {_seeds(now)}), so "
            f"the result is not that of an undisturbed run. Give each a fixed seed; a seed=None of "
            f"image_dataset_from_directory and its like is drawn anew in every process"
        )


def _files(inputs: dict[str, Any]) -> str:
    size = "" if inputs["bytes"] is None else f" of {inputs['bytes']} bytes"
    return f"{inputs['files']} files{size}"


def _seeds(inputs: dict[str, Any]) -> str:
    return ", ".join(str(second) for _, second in inputs["seeds"]) or "none"


def _hash_seed() -> str:
    """Why a set has another order in every process, where it has."""
    is_random = os.environ.get("PYTHONHASHSEED", "random") == "random"
    if not (is_random and sys.flags.hash_randomization):
        return ""
    return ". PYTHONHASHSEED is not set, so a set of strings has another order in every process"
