"""Whether and how the current attempt ended, by its pod and its Job."""

from __future__ import annotations

from perdure.contract.status import Status
from perdure_operator.decide.observed import AttemptJob, Pod, Seen
from perdure_operator.decide.types import AttemptEnd

_SAYS_NOTHING = frozenset({"Completed", "Error"})


def end_of_attempt(seen: Seen) -> AttemptEnd | None:
    """How the newest attempt ended; None while it goes on."""
    job, pod = seen.job_of(seen.attempt), seen.pod_of(seen.attempt)
    if pod is not None:
        return _of_pod(seen, pod) if pod.has_ended else None
    if job is not None and not _had_its_pod(seen, job):
        return None
    return AttemptEnd(
        seen.attempt,
        None,
        disrupted=True,
        asked_to_stop=seen.job.spec.suspend,
        record=_newest_record(seen),
    )


def _newest_record(seen: Seen) -> int | None:
    return seen.status.checkpoint.record if seen.status.checkpoint else None


def _had_its_pod(seen: Seen, job: AttemptJob) -> bool:
    """Whether a pod that is not there was there: then somebody took it away.

    A Job that is done although its pod is gone says too little of how; the next attempt finds in
    the lineage what is left to do, if anything.
    """
    seen_before = seen.status.trainer is not None
    return job.suspended or job.deleting or job.finished is not None or seen_before


def _of_pod(seen: Seen, pod: Pod) -> AttemptEnd:
    ended = pod.exit
    return AttemptEnd(
        pod.attempt,
        ended.code if ended else None,
        signal=ended.signal if ended else None,
        status=(last_word(ended.said) if ended else None) or pod.report,
        disrupted=pod.disrupted or ended is None,
        asked_to_stop=seen.job.spec.suspend,
        record=_newest_record(seen),
        word=ended.reason if ended and ended.reason not in _SAYS_NOTHING else "",
    )


def last_word(message: str) -> Status | None:
    """The trainer's termination message; None where the text is none (a log's end, say)."""
    try:
        status = Status.from_json(message)
    except ValueError:
        return None
    return status if status.ending else None
