"""Become a trainer that does not outlive the runner. Standard library only; run as a script.

A runner that is killed cannot end its trainer, and a forgotten trainer would go on writing to the
lineage. On Linux the kernel is asked to kill this process together with its parent; then it turns
into the command. A program of its own, because a process with threads should not run Python
between fork and exec. Elsewhere than on Linux a killed runner leaves its trainer behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(runner: str, *command: str) -> None:
    """Bind this process to `runner`, its parent's process id, and execute `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(runner):
            sys.exit("the runner is gone")
    os.execvp(command[0], command)  # noqa: S606 - the purpose of this program


if __name__ == "__main__":
    main(*sys.argv[1:])
