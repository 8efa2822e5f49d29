"""What is generated in deploy/, helm/ and docs/ is what its sources make."""

from __future__ import annotations

from pathlib import Path

import generate
import pytest


def written(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def test_files_are_up_to_date():
    files = generate.generated()
    stale = [str(path.relative_to(generate.ROOT)) for path in files if written(path) != files[path]]
    assert stale == [], "run: python deploy/generate.py"
    assert len(files) > 6


def test_values_are_described_with_their_path():
    lines = ["# -- One", "a: 1", "b:", "  # -- Two", "  c: 2", "  d: 3", "# -- Three", "e: []"]
    assert list(generate.described(lines)) == [
        (["a"], "One"),
        (["b", "c"], "Two"),
        (["e"], "Three"),
    ]


def test_a_document_without_a_place_for_the_table_is_refused():
    with pytest.raises(SystemExit, match="metrics:begin"):
        generate.between("no place here", "metrics", "table")
