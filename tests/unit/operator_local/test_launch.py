"""A trainer is bound to its runner before it begins."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from perdure_operator.local import launch


def launched(runner: int, *command: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-I", "-S", launch.__file__, str(runner), *command]
    return subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)


def test_becomes_the_command():
    done = launched(os.getpid(), "sh", "-c", "echo hello; exit 7")
    assert (done.returncode, done.stdout) == (7, "hello\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_runner_that_died_meanwhile():
    done = launched(os.getpid() + 1, "echo", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "the runner is gone\n")
