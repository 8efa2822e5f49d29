"""Where two runs parted: the first step that was recorded whose tensors differ, and which. Pure."""

from __future__ import annotations

from perdure_operator.local.results import Fit, Results, Row

MOST_NAMED = 5


def parting(one: Results, other: Results) -> str | None:
    """A sentence on the first recorded step after which the tensors of two runs differ.

    None where nothing was recorded, or nothing that both have.
    """
    last = None
    for ours, theirs in zip(one.fits, other.fits, strict=False):
        for row, its in _pairs(ours, theirs):
            if row.digests != its.digests:
                return _parted(ours, row, its, last)
            last = f"all tensors are equal after {_place(ours, row)}"
    return f"{last}, the last step that was recorded" if last else None


def _pairs(one: Fit, other: Fit) -> list[tuple[Row, Row]]:
    """The rows that both fits have of a step."""
    rows = {(row.step, row.epoch, row.batch): row for row in other.rows}
    places = ((row.step, row.epoch, row.batch) for row in one.rows)
    return [(row, rows[at]) for row, at in zip(one.rows, places, strict=True) if at in rows]


def _parted(fit: Fit, one: Row, other: Row, last: str | None) -> str:
    before = last or "nothing was recorded before"
    what = _which(fit.paths, one, other)
    return f"the runs part: {before}, and after {_place(fit, one)} {what}"


def _which(paths: tuple[str, ...], one: Row, other: Row) -> str:
    if not len(one.digests) == len(other.digests) == len(paths):
        return f"there are {len(one.digests)} tensors against {len(other.digests)}"
    pairs = zip(paths, one.digests, other.digests, strict=True)
    differing = [path for path, a, b in pairs if a != b]
    return f"{len(differing)} of {len(paths)} differ, the first is {differing[0]}"


def _place(fit: Fit, row: Row) -> str:
    return f"step {row.step} of fit {fit.fit} (epoch {row.epoch}, batch {row.batch})"


def callbacks_that_differ(one: Results, other: Results) -> str | None:
    """A sentence that names the attributes of callbacks whose values differ at the end of a fit."""
    for ours, theirs in zip(one.fits, other.fits, strict=False):
        keys = sorted({*ours.callbacks, *theirs.callbacks})
        differing = [key for key in keys if ours.callbacks.get(key) != theirs.callbacks.get(key)]
        if differing:
            named = ", ".join(f"{name}.{part}" for name, _, part in differing[:MOST_NAMED])
            more = len(differing) - MOST_NAMED
            return f"in fit {ours.fit} callbacks differ in {named}" + (
                f" and {more} more" if more > 0 else ""
            )
    return None
