"""Ends that every further attempt would repeat, by what containerd and Python say."""

from __future__ import annotations

import pytest

from perdure_operator.decide.hopeless import hopeless
from perdure_operator.decide.observed import Exit

RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: error during container init: "
)
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 1, in <module>\n'


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (
            Exit(
                128,
                reason="StartError",
                said=RUNC + 'exec: "pyton": executable file not found in $PATH',
            ),
            "CommandNotStarted",
        ),
        (
            Exit(
                128,
                reason="StartError",
                said=RUNC + 'exec: "/x": stat /x: no such file or directory',
            ),
            "CommandNotStarted",
        ),
        (
            Exit(128, reason="StartError", said=RUNC + 'exec: "/etc/passwd": permission denied'),
            "CommandNotStarted",
        ),
        (
            Exit(
                128, reason="StartError", said=RUNC + "error mounting /a: no such file or directory"
            ),
            None,
        ),
        (
            Exit(1, said=TRACEBACK + "ModuleNotFoundError: No module named 'perdure'\n"),
            "PerdureMissing",
        ),
        (Exit(1, said=TRACEBACK + "ModuleNotFoundError: No module named 'perdure.new'"), None),
        (Exit(1, said=TRACEBACK + "ModuleNotFoundError: No module named 'pandas'"), None),
        (Exit(1, said="exec: train.py: permission denied"), None),
        (Exit(137, reason="OOMKilled"), None),
    ],
)
def test_hopeless(ended, reason):
    found = hopeless(ended, "digits:1")
    assert (found and found.reason) == reason
    if found:
        assert "digits:1" in found.message


def test_the_last_line_says_which_program():
    found = hopeless(Exit(128, reason="StartError", said=RUNC + 'exec: "p": not found'), "i")
    assert found is not None
    assert found.message.endswith('exec: "p": not found')
