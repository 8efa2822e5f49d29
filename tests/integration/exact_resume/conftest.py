"""A process that has Keras imported, for all tests of one file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from trainers import Nursery


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.stop()
