"""Which checkpoints stay. Pure: what is known of each goes in, numbers to drop come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perdure.contract.environment import Keep

LEAST_KEPT = 2
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Row:
    """A checkpoint as retention sees it: its record, its train step, when it was made (seconds since
    the epoch), and the value if it has one, with what it was `monitored` by (`monitor:mode`).
    """

    number: int
    step: int
    time: float
    value: float | None = None
    monitored: str | None = None


def to_drop(rows: Sequence[Row], keep: Keep) -> set[int]:
    """Numbers of the checkpoints that `keep` does not want.

    What was dropped before need not be among `rows`: a checkpoint that stays for its step or its hour
    is the first of its period, whatever comes later. Adding a row never makes an earlier one wanted
    that was not. The newest `LEAST_KEPT` always stay, for a damaged newest.

    Args:
        rows: all checkpoints that there are, in the order of their records.
        keep: what the user wants kept.
    """
    newest = rows[-max(keep.last, LEAST_KEPT) :]
    kept = {*_numbers(newest), *best(rows, keep), *_by_steps(rows, keep), *_by_hours(rows, keep)}
    return _numbers(rows) - kept


def _numbers(rows: Sequence[Row]) -> set[int]:
    return {row.number for row in rows}


def best(rows: Sequence[Row], keep: Keep) -> set[int]:
    """The number of the first of those with the best value, none without a value of what `keep` monitors."""
    rows = [row for row in rows if row.monitored == keep.best]
    values = {row.number: row.value for row in rows if row.value is not None}
    if keep.best is None or not values:
        return set()
    choose = min if keep.mode == "min" else max
    return {choose(values, key=lambda number: values[number])}


def _by_steps(rows: Sequence[Row], keep: Keep) -> set[int]:
    """The first at or after each multiple of so many steps."""
    every = keep.every_steps
    if every is None:
        return set()
    return _first_of_each([row for row in rows if row.step >= every], lambda row: row.step // every)


def _by_hours(rows: Sequence[Row], keep: Keep) -> set[int]:
    """The first of all, and the first at or after each so many hours since it."""
    every = keep.every_hours
    if every is None or not rows:
        return set()
    began, seconds = rows[0].time, every * SECONDS_PER_HOUR
    return _first_of_each(rows, lambda row: max(0, int((row.time - began) // seconds)))


def _first_of_each(rows: Sequence[Row], period: Callable[[Row], int]) -> set[int]:
    """The first row of each period."""
    first: dict[int, int] = {}
    for row in rows:
        first.setdefault(period(row), row.number)
    return set(first.values())
