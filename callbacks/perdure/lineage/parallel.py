"""Several requests at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

PARALLEL = 8

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`function` of each item, in their order; the first error ends it.

    One after the other once the main thread has ended: the interpreter starts no thread then.
    """
    if not threading.main_thread().is_alive():
        return [function(item) for item in items]
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="perdure-requests") as pool:
        return list(pool.map(function, items))
