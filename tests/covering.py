"""Covering sets: rows that hold every combination of the values of any few factors, in far fewer rows than
all combinations of all factors.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations, product

Row = tuple[str, ...]
Part = frozenset[tuple[int, str]]  # values by the number of their factor


def covering(factors: Sequence[Sequence[str]], strength: int, seed: int) -> list[Row]:
    """Rows with one value of each factor, among which is every combination of `strength` values of as many
    factors. Greedy: a row begins with a combination that is missing, and takes the values that add most.
    """
    draw = random.Random(seed)
    missing = dict.fromkeys(draw.sample(*_all_parts(factors, strength)))
    rows = []
    while missing:
        row = _best_row(next(iter(missing)), factors, strength, missing, draw)
        for part in parts_of(row, strength):
            missing.pop(part, None)
        rows.append(row)
    return rows


def _all_parts(factors: Sequence[Sequence[str]], strength: int) -> tuple[list[Part], int]:
    parts = [
        frozenset(zip(chosen, values, strict=True))
        for chosen in combinations(range(len(factors)), strength)
        for values in product(*(factors[i] for i in chosen))
    ]
    return parts, len(parts)


def parts_of(row: Row, strength: int) -> Iterator[Part]:
    """The combinations that a row has."""
    return map(frozenset, combinations(enumerate(row), strength))


def _best_row(
    part: Part,
    factors: Sequence[Sequence[str]],
    strength: int,
    missing: dict[Part, None],
    draw: random.Random,
) -> Row:
    given = dict(part)
    choices = [[given[i]] if i in given else values for i, values in enumerate(factors)]
    rows = list(product(*choices))
    draw.shuffle(rows)
    return max(rows, key=lambda row: sum(part in missing for part in parts_of(row, strength)))
