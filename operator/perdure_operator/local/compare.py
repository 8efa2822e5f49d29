"""Whether two runs have come to the same: pure, and never true of nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from perdure_operator.local.results import Fit, Results, Tensor
from perdure_operator.local.wording import counted


def difference(one: Results, other: Results) -> str | None:
    """The first difference, as a sentence; None where the runs are identical.

    Tensors by position, because automatic names differ between runs, then the History.
    """
    for results in (one, other):
        if not results.finished or not results.fits:
            return f"{results.job} has no finished fit to compare"
    if len(one.fits) != len(other.fits):
        return f"{counted(len(one.fits), 'finished fit')} against {len(other.fits)}"
    pairs = zip(one.fits, other.fits, strict=True)
    found = (check(a, b) for a, b in pairs for check in _CHECKS)
    return next(filter(None, found), None)


def what_was_compared(results: Results) -> str:
    """How much was found to be equal."""
    tensors = sum(len(fit.tensors) for fit in results.fits)
    entries = sum(len(values) for fit in results.fits for values in fit.history.values())
    return ", ".join(
        [
            counted(len(results.fits), "fit"),
            counted(tensors, "tensor"),
            counted(entries, "History entry"),
        ]
    )


def _tensors(one: Fit, other: Fit) -> str | None:
    for a, b in zip_longest(one.tensors, other.tensors):
        if _identity(a) != _identity(b):
            return f"fit {one.fit}, tensor {_position(a or b)}: {_tensor(a)} against {_tensor(b)}"
    return None


def _identity(tensor: Tensor | None) -> tuple[object, ...] | None:
    if tensor is None:
        return None
    return (tensor.group, tensor.index, tensor.dtype, tensor.shape, tensor.digest)


def _position(tensor: Tensor | None) -> str:
    return f"{tensor.group}[{tensor.index}]" if tensor else "nothing"


def _tensor(tensor: Tensor | None) -> str:
    if tensor is None:
        return "no tensor"
    return f"{tensor.path} {tensor.dtype}{list(tensor.shape)} {tensor.digest}"


def _steps(one: Fit, other: Fit) -> str | None:
    if (one.fit, one.steps) == (other.fit, other.steps):
        return None
    return f"fit {one.fit} with {one.steps} steps against fit {other.fit} with {other.steps} steps"


def _history(one: Fit, other: Fit) -> str | None:
    for name in [*one.history, *sorted(set(other.history) - set(one.history))]:
        values = zip_longest(one.history.get(name, []), other.history.get(name, []))
        for epoch, (a, b) in enumerate(values):
            if a != b:
                return f"fit {one.fit}, History {name!r}, epoch {epoch}: {a!r} against {b!r}"
    return None


def _digest(one: Fit, other: Fit) -> str | None:
    """The whole's digest covers what the table does not name, so it has the last word."""
    if one.digest == other.digest:
        return None
    return (
        f"fit {one.fit}: digest {one.digest} against {other.digest}, though every tensor and "
        "History entry is equal"
    )


_CHECKS: tuple[Callable[[Fit, Fit], str | None], ...] = (_steps, _tensors, _history, _digest)
