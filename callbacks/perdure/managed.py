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
    beside = program in ("", "-c", "-m") or Path(program).stem in ("perdure", "kubectl-perdure")
    is_child = os.environ.get(TRAINER) not in (None, str(os.getpid()))
    return not (beside or is_child or Path(program).parent == Path(__file__).parent)
