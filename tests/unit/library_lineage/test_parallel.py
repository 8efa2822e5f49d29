"""Several requests at once, also while the interpreter ends."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from perdure.lineage.parallel import PARALLEL, in_threads

AT_EXIT = """
import atexit
from perdure.lineage.parallel import in_threads
atexit.register(lambda: print(in_threads(str, range(3))))
"""


def test_results_are_in_the_order_of_the_items():
    assert in_threads(lambda n: n * n, range(100)) == [n * n for n in range(100)]


def test_several_run_at_once():
    together = threading.Barrier(PARALLEL, timeout=30)
    assert len(in_threads(lambda _n: together.wait(), range(PARALLEL))) == PARALLEL


def test_an_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda n: 1 / n, range(100))


def test_it_works_while_the_interpreter_ends():
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("['0', '1', '2']\n", "")
