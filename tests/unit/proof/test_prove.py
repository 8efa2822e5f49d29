"""`make prove` goes on where it was stopped, and says what there is."""

from __future__ import annotations

import json
from pathlib import Path

import prove
import pytest
from scenes import covering_scenes

SCENES = covering_scenes()


def write(folder: Path, *results: str) -> None:
    """Results of the first scenes."""
    lines = [
        {"scene": scene.name, "result": result, "kills": len(scene.kills), "time": "2026"}
        for scene, result in zip(SCENES, results, strict=False)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "scenes-1-of-1.jsonl").write_text(text)


def test_what_was_identical_is_not_played_again(tmp_path):
    write(tmp_path, "identical", "fits / 0 / step: 3 undisturbed, 4 disturbed")
    assert prove.left_of(SCENES[:3], prove.read(tmp_path)) == SCENES[1:3]


def test_the_newest_result_counts(tmp_path):
    write(tmp_path, "fits / 0 / step: 3 undisturbed, 4 disturbed")
    newer = {"scene": SCENES[0].name, "result": "identical", "kills": 1, "time": "2027"}
    (tmp_path / "scenes-1-of-4.jsonl").write_text(json.dumps(newer) + "\n")
    assert prove.left_of(SCENES[:1], prove.read(tmp_path)) == []


@pytest.mark.parametrize(
    ("results", "code", "sentence"),
    [
        (["identical"], 0, f"played: 1 scenes with {len(SCENES[0].kills)} kills, 1 identical"),
        (["identical", "no"], 1, "1 NOT identical, 1 identical"),
        ([], 0, "played: 0 scenes with 0 kills"),
    ],
)
def test_counts(tmp_path, capsys, results, code, sentence):
    write(tmp_path, *results)
    assert prove.main(["--results", str(tmp_path), "--most", "0"]) == code
    assert sentence in capsys.readouterr().out


def test_shards_are_disjoint_and_together_all():
    shards = [prove.part(SCENES, number, 4) for number in range(1, 5)]
    assert sorted(scene.name for shard in shards for scene in shard) == sorted(
        scene.name for scene in SCENES
    )
    assert prove.shard("2/4") == (2, 4)
    with pytest.raises(ValueError, match="0/4"):
        prove.shard("0/4")


def test_the_committed_results_are_of_the_covering_set_and_identical():
    results = prove.read(prove.RESULTS)
    assert results.keys() <= {scene.name for scene in SCENES}
    assert [name for name, result in results.items() if prove.is_unlike(result)] == []
