"""What `import perdure` does in a process that the operator or the local runner started."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def prepare() -> None:
    """Read the lineage and fix what decides the bits; not in Perdure's own command line."""
    if _is_command_line():
        return
    _refuse_backend()
    from perdure.attempt import current

    current().prepare()


def _is_command_line() -> bool:
    """`perdure ...` and `python -m perdure ...` may run beside a trainer and must not disturb it."""
    program = Path(sys.argv[0]) if sys.argv else Path()
    return (
        program.name == "perdure"
        or sys.argv[:1] == ["-m"]
        or program.parent == Path(__file__).parent
    )


def _refuse_backend() -> None:
    """Only TensorFlow; said before Keras is imported, which takes seconds."""
    from perdure.errors import Refused

    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise Refused(
            f"KERAS_BACKEND: expected 'tensorflow', the only backend that Perdure resumes exactly. "
            f"Received: {backend!r}."
        )
