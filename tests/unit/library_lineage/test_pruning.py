"""What counts as garbage, as a function of what was seen."""

from __future__ import annotations

import pytest

from perdure.lineage.pruning import garbage, may_append
from perdure.lineage.records import Index, Record, RecordKind

CHUNKS = ["a/1", "a/2", "b/1", "b/2.zstd4"]


@pytest.mark.parametrize(
    ("live", "writer", "unneeded"),
    [
        pytest.param(set(), None, set(CHUNKS), id="nothing is live"),
        pytest.param(set(CHUNKS), None, set(), id="all is live"),
        pytest.param({"a/1", "b/2.zstd4"}, None, {"a/2", "b/1"}, id="some"),
        pytest.param({"a/1"}, "b", {"a/2"}, id="a process may name what it has written"),
        pytest.param({"b/1"}, "a", {"b/2.zstd4"}, id="not what an older one has written"),
        pytest.param({"c/1"}, "c", set(CHUNKS), id="a live chunk that was listed too early"),
    ],
)
def test_garbage(live, writer, unneeded):
    assert garbage(CHUNKS, live, writer) == unneeded


def test_what_has_no_writer_is_not_perdures():
    assert garbage(["README", "a/1"], set(), None) == {"a/1"}


@pytest.mark.parametrize("kind", RecordKind)
def test_who_wrote_the_newest_record_may_append_unless_it_says_that_all_is_over(kind):
    newest = Record(7, kind, "w", 1, Index(), {})
    assert may_append(newest) == (None if kind in ("finished", "pruned") else "w")
