"""A file that is added between two attempts is said by the second, and what cannot be seen by each."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from trainers import Ended, Job, Nursery

from perdure.contract.status import Kind


def said(ended: Ended, kind: Kind) -> list[str]:
    assert ended.status is not None
    return [notice.message for notice in ended.status.notices if notice.kind == kind]


@pytest.mark.slow
def test_a_file_more_is_said(nursery: Nursery, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in "ab":
        (data / name).write_text("1 2\n" * 12)
    job = Job(nursery, tmp_path, "files.py", [str(data)])
    killed = job.kill(signal.SIGTERM, after=8)  # in the second epoch of 6 batches
    again = job.kill(signal.SIGTERM, after=2)
    assert said(killed, Kind.DATA_CHANGED) == said(again, Kind.DATA_CHANGED) == []

    (data / "c").write_text("3 4\n" * 12)
    changed = job.finish()
    (sentence,) = (text for text in said(changed, Kind.DATA_CHANGED) if "files" in text)
    assert "2 files of 96 bytes -> 3 files of 144 bytes" in sentence
    for ended in job.attempts:
        (sentence,) = said(ended, Kind.DATA_UNCERTAIN)
        assert "ignore_errors" in sentence
        assert ended.output.count("DataUncertain") == 1
