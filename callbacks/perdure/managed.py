"""What `import perdure` does in a process that the operator or the local runner started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from perdure.contract.environment import TRAINER


def prepare() -> None:
    """Read the lineage and fix what decides the bits, if this process is the trainer."""
    if not _is_trainer():
        return
    os.environ[TRAINER] = str(os.getpid())
    from perdure.attempt import current

    current().prepare()


def _is_trainer() -> bool:
    """A script that was started; not a child of the trainer, nor a command that runs beside it."""
    program = sys.argv[0] if sys.argv else ""
    beside = program in ("", "-c") or Path(program).stem in ("perdure", "kubectl-perdure")
    beside |= program == "-m" and _module_run().split(".")[0] == "perdure"
    is_child = os.environ.get(TRAINER) not in (None, str(os.getpid()))
    return not (beside or is_child or Path(program).parent == Path(__file__).parent)


def _module_run() -> str:
    """The module after `-m`; its package is imported before `sys.argv` has its name."""
    arguments = sys.orig_argv
    return arguments[arguments.index("-m") + 1] if "-m" in arguments[:-1] else ""
