"""Plays the scenes of the covering set and keeps what came of each: `make prove`, `make prove SHARD=2/4`.

A scene that the file of results has as identical is not played again, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scenes import Scene, Unlike, covering_scenes, play
from trainers import Nursery

RESULTS = Path(__file__).parent / "results"
IDENTICAL = "identical"


def main(arguments: Sequence[str]) -> int:
    """Play the scenes of one shard that are left, and print the counts of all."""
    parser = argparse.ArgumentParser(prog="prove", description=__doc__)
    parser.add_argument("--shard", type=shard, default=(1, 1), help="which part, such as 1/4")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--most", type=int, help="play at most so many scenes")
    given = parser.parse_args(arguments)
    scenes = covering_scenes()
    number, of = given.shard
    left = left_of(part(scenes, number, of), read(given.results))[: given.most]
    if left:
        play_all(left, given.results / f"scenes-{number}-of-{of}.jsonl")
    for line in summary(scenes, read(given.results)):
        print(line)
    return int(any(is_unlike(results) for results in read(given.results).values()))


def shard(text: str) -> tuple[int, int]:
    """Parse `1/4`."""
    number, of = map(int, text.split("/"))
    if not 1 <= number <= of:
        raise ValueError(text)
    return number, of


def part(scenes: Sequence[Scene], number: int, of: int) -> Sequence[Scene]:
    """The scenes of shard `number` of `of`."""
    return scenes[number - 1 :: of]


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The newest result of each scene, by its name."""
    lines = [
        json.loads(line)
        for path in sorted(folder.glob("scenes-*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return {line["scene"]: line for line in sorted(lines, key=lambda line: str(line["time"]))}


def is_unlike(result: dict[str, Any]) -> bool:
    return result["result"] != IDENTICAL


def left_of(scenes: Sequence[Scene], results: dict[str, dict[str, Any]]) -> list[Scene]:
    """The scenes that were not found identical yet."""
    return [s for s in scenes if s.name not in results or is_unlike(results[s.name])]


def play_all(scenes: Sequence[Scene], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    nursery = Nursery()
    versions = {name: version(name) for name in ("keras", "tensorflow-cpu")}
    with path.open("a", buffering=1) as file:
        for number, scene in enumerate(scenes, 1):
            began = time.monotonic()
            result = outcome(scene, nursery)
            seconds = round(time.monotonic() - began, 1)
            print(f"{number}/{len(scenes)} {scene.name}: {result} ({seconds} s)", flush=True)
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = {"scene": scene.name, "result": result, "kills": len(scene.kills)}
            file.write(json.dumps({**line, "seconds": seconds, "time": now, **versions}) + "\n")
    nursery.stop()


def outcome(scene: Scene, nursery: Nursery) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            play(scene, nursery, Path(folder))
        except Unlike as error:
            return str(error)
    return IDENTICAL


def summary(scenes: Sequence[Scene], results: dict[str, dict[str, Any]]) -> list[str]:
    """How many of the scenes were played, and what came of them."""
    played = [results[scene.name] for scene in scenes if scene.name in results]
    kills = sum(line["kills"] for line in played)
    counts = Counter("identical" if not is_unlike(line) else "NOT identical" for line in played)
    of = f"{len(scenes)} scenes with {sum(len(scene.kills) for scene in scenes)} kills"
    return [
        f"the covering set: {of}",
        f"played: {len(played)} scenes with {kills} kills, "
        + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
