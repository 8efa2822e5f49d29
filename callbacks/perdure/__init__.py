"""Perdure: Keras training that outlives its process.

The package's names are lazy: importing `perdure.contract` imports neither Keras nor boto3.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from perdure.contract import environment

if TYPE_CHECKING:
    from perdure import data as data
    from perdure.looping.loop import loop as loop
    from perdure.training import callbacks as callbacks

_LAZY = {
    "callbacks": ("perdure.training", "callbacks"),
    "data": ("perdure.data", None),
    "loop": ("perdure.looping.loop", "loop"),
}
__all__ = ["callbacks", "data", "loop"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    module_name, attribute = _LAZY[name]
    module = importlib.import_module(module_name)
    return module if attribute is None else getattr(module, attribute)


if os.environ.get(environment.ATTEMPT):
    # A managed process: seed, threads and flags must be fixed before TensorFlow starts.
    from perdure.managed import prepare

    prepare()
