"""A sample of the covering set: data, models, callbacks, places and signals together."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from scenes import covering_scenes, play
from trainers import Nursery

SEED = 20261123


@pytest.mark.slow
def test_a_sample_is_as_undisturbed(
    nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    count = int(request.config.getoption("--scenes"))
    for number, scene in enumerate(random.Random(SEED).sample(covering_scenes(), count)):
        print(scene.name)
        play(scene, nursery, tmp_path / str(number))
