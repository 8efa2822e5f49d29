"""NumPy types by names that every process understands."""

from __future__ import annotations

from typing import Any

import numpy as np


def dtype_name(dtype: np.dtype[Any]) -> str:
    """A name that `dtype_of` gives the type back for; custom types (bfloat16) have a plain name."""
    return dtype.name if dtype.kind == "V" else dtype.str


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy type called `name`.

    Raises:
        TypeError: there is none.
    """
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        if not hasattr(ml_dtypes, name):
            raise
        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return dtype
