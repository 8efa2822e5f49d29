"""Names and labels of what belongs to a TrainingJob. Names are deterministic: an attempt that was
created twice is one attempt.
"""

from __future__ import annotations

import hashlib

from perdure.contract import labels

_LONGEST = 45
"""Of 63 characters, a Job name keeps room for the attempt's number and, in a pod's name, the
worker's index and five random letters."""


def job_name(name: str, attempt: int) -> str:
    """The name of the Job of `attempt`; a long name is cut and told apart by a digest."""
    if len(name) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[: _LONGEST - 9].rstrip('-')}-{digest}"
    return f"{name}-{attempt}"


def child_labels(name: str, run: str, attempt: int) -> dict[str, str]:
    """The labels by which Jobs and pods are found; they win over the user's."""
    return {
        "app.kubernetes.io/name": labels.CONTAINER,
        "app.kubernetes.io/managed-by": "perdure",
        labels.JOB_LABEL: name,
        labels.RUN_LABEL: run,
        labels.ATTEMPT_LABEL: str(attempt),
    }
