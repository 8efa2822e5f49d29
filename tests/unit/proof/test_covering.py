"""Covering sets hold every combination, and are far smaller than all rows."""

from __future__ import annotations

from itertools import combinations, product

import pytest
import scenes
from covering import covering, parts_of

SMALL = [("a", "b", "c"), ("d", "e"), ("f", "g", "h", "i"), ("j", "k"), ("l", "m", "n")]


def missing(rows, factors, strength):
    """The combinations that no row has, looked for without the code under test."""
    return [
        (chosen, values)
        for chosen in combinations(range(len(factors)), strength)
        for values in product(*(factors[i] for i in chosen))
        if not any(tuple(row[i] for i in chosen) == values for row in rows)
    ]


@pytest.mark.parametrize(("strength", "most"), [(1, 5), (2, 18), (3, 60), (5, 144)])
def test_every_combination_is_there(strength, most):
    rows = covering(SMALL, strength, 1)
    assert missing(rows, SMALL, strength) == []
    assert len(rows) == len(set(rows)) <= most


def test_a_row_less_is_seen():
    rows = covering(SMALL, 3, 1)
    needed = [row for row in rows if missing([r for r in rows if r != row], SMALL, 3)]
    assert needed


def test_the_seed_decides():
    assert covering(SMALL, 3, 1) == covering(SMALL, 3, 1) != covering(SMALL, 3, 2)


def test_the_scenes_cover_what_any_three_factors_have():
    played = scenes.covering_scenes()
    rows = [
        (scene.data, scene.model, scene.callbacks, kill.place, kill.signal)
        for scene in played
        for kill in scene.kills
    ]
    parts = {part for row in rows for part in parts_of(row, 3)}
    factors = scenes.FACTORS
    assert len(parts) == sum(len(a) * len(b) * len(c) for a, b, c in combinations(factors, 3))
    assert {value for row in rows for value in row} == {v for values in factors for v in values}
    assert len({scene.name for scene in played}) == len(played)
    assert len(rows) < 1000


def test_kills_of_a_scene_are_in_the_order_in_which_training_comes_by():
    for scene in scenes.covering_scenes():
        places = [(kill.epoch, scenes.PLACES.index(kill.place)) for kill in scene.kills]
        assert places == sorted(places)
        assert 1 <= len(scene.kills) <= 2 * len(scenes.PLACES)
