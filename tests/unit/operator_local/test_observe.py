"""What is known of a trainer from outside."""

from __future__ import annotations

import pytest

from perdure.contract.status import Ending, Status
from perdure_operator.local.observe import StatusClient, tail, termination_message
from perdure_operator.local.process import free_port

ENDED = Status("a/b/1", 1, ending=Ending(0, "Finished"))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(ENDED.to_json(), ENDED, id="the last word"),
        pytest.param(Status("a/b/1", 1).to_json(), None, id="no ending"),
        pytest.param("", None, id="empty"),
        pytest.param("killed by the user", None, id="not ours"),
        pytest.param('{"schema": 99}', None, id="another schema"),
        pytest.param(None, None, id="no file"),
    ],
)
def test_termination_message(tmp_path, text, status):
    path = tmp_path / "message"
    if text is not None:
        path.write_text(text)
    assert termination_message(path) == status


def test_nobody_answers():
    with StatusClient(free_port()) as client:
        assert client.get() is None


def test_tail_shows_a_progress_bar_once(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"first\n1/3\r2/3\r3/3\n\n  indented\nlast \xff\r\n")
    assert tail(log, 3) == ["3/3", "  indented", "last \N{REPLACEMENT CHARACTER}"]
