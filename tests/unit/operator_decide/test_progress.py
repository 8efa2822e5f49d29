"""Only a newer committed checkpoint is progress."""

from __future__ import annotations

import pytest

from perdure.contract.status import Committed, Status
from perdure_operator.decide.progress import brought_checkpoint, count_progress
from perdure_operator.decide.types import AttemptEnd, Counters


def end(record: int | None, committed: int) -> AttemptEnd:
    saved = None if record is None else Committed(record, 10, "2026-01-01T00:00:00Z", 8, "d")
    return AttemptEnd(1, 1, status=Status("a/b/1", 1, checkpoint=saved, checkpoints=committed))


@pytest.mark.parametrize(
    ("ended", "known", "brought"),
    [
        pytest.param(AttemptEnd(1, 1), None, False, id="nothing known of it"),
        pytest.param(end(None, 0), None, False, id="none"),
        pytest.param(end(3, 0), None, False, id="only the one it resumed from"),
        pytest.param(end(3, 1), None, True, id="the first"),
        pytest.param(end(5, 2), 3, True, id="a newer one"),
        pytest.param(end(3, 1), 3, False, id="the one known already"),
    ],
)
def test_brought_checkpoint(ended, known, brought):
    before = Counters(no_progress=4, record=known)
    assert brought_checkpoint(ended, before) is brought
    after = count_progress(ended, before)
    assert after.no_progress == (0 if brought else 5)
    assert after.record == (ended.status.checkpoint.record if brought else known)
