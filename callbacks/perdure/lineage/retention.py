"""Which checkpoints stay. Pure: numbers and values in, numbers to drop out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perdure.contract.environment import Keep

LEAST_KEPT = 2


def to_drop(checkpoints: Sequence[int], values: Mapping[int, float], keep: Keep) -> set[int]:
    """Checkpoints (oldest first) that `keep` does not want; at least two stay, for a damaged newest.

    Args:
        checkpoints: numbers of the checkpoint records, ascending.
        values: the monitored value of those checkpoints that have one.
        keep: what the user wants kept.
    """
    kept = set(checkpoints[-max(keep.last, LEAST_KEPT) :])
    known = {number: values[number] for number in checkpoints if number in values}
    if known and keep.monitor is not None:
        best = min if keep.mode == "min" else max
        kept.add(best(known, key=lambda number: known[number]))
    return set(checkpoints) - kept
