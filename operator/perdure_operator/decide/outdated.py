"""Whether an attempt waits for what the spec asks for no longer: a Job's pod takes over no change."""

from __future__ import annotations

from perdure_operator.decide.look import Look
from perdure_operator.decide.types import Phase


def is_outdated(look: Look) -> bool:
    """Whether the newest attempt was made from another spec and its trainer has never begun.

    One that has begun goes on as it is, and the next one is made from the spec as it is then.
    """
    job, pod = look.seen.job_of(look.seen.attempt), look.seen.pod_of(look.seen.attempt)
    if job is None or job.pod_spec in {None, look.seen.pod_spec}:
        return False
    return look.status.phase != Phase.RUNNING and not (pod and pod.has_begun)
