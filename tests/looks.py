"""What a reconcile looks at, made short: a TrainingJob, its Jobs, its pods and what its trainer says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perdure.contract.exits import Reason
from perdure.contract.labels import API_VERSION, KIND
from perdure.contract.status import Committed, Ending, Status
from perdure_operator.decide.look import Look
from perdure_operator.decide.observed import AttemptJob, Exit, Pod, Seen
from perdure_operator.decide.plan import Plan
from perdure_operator.decide.reconcile import reconcile
from perdure_operator.model.job import Spec, TrainingJob
from perdure_operator.model.status import JobStatus
from perdure_operator.model.times import epoch

START = "2026-01-01T00:00:00Z"
NOW = epoch(START) + 1000
SPEC = {
    "image": "digits:1",
    "command": ["python", "train.py"],
    "checkpoint": {"store": "s3://bucket/prefix"},
}


def spec(**fields: Any) -> Spec:
    return Spec.model_validate(SPEC | fields)


def training_job(**fields: Any) -> TrainingJob:
    metadata = {"name": "digits", "namespace": "team", "uid": "tj", "generation": 1}
    return TrainingJob.model_validate(
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": SPEC | fields}
    )


def job(attempt: int = 1, **fields: Any) -> AttemptJob:
    name, uid = f"digits-{attempt}", f"job-{attempt}"
    return replace(AttemptJob(name, uid, attempt, "1", NOW - 5, "7"), **fields)


def pod(attempt: int = 1, **fields: Any) -> Pod:
    uid = fields.pop("uid", f"pod-{attempt}")
    return replace(Pod(f"digits-{attempt}-0-abcde", uid, attempt, NOW - 5), **fields)


def seen(
    *children: AttemptJob | Pod,
    status: dict[str, Any] | None = None,
    request: str | None = None,
    ignored: tuple[str, ...] = (),
    **fields: Any,
) -> Seen:
    """`status` as the API has it, the other keywords as the spec has them."""
    return Seen(
        job=training_job(**fields),
        program="program-1",
        pod_spec="pod-1",
        status=JobStatus.model_validate(status or {}),
        jobs=tuple(child for child in children if isinstance(child, AttemptJob)),
        pods=tuple(child for child in children if isinstance(child, Pod)),
        request=request,
        ignored_fields=ignored,
    )


def look(*children: AttemptJob | Pod, now: float = NOW, **fields: Any) -> Look:
    return Look(seen(*children, **fields), now)


def plan(*children: AttemptJob | Pod, now: float = NOW, **fields: Any) -> Plan:
    return reconcile(seen(*children, **fields), now=now)


def said(step: int = 0, record: int | None = None, **fields: Any) -> Status:
    """A trainer's report; with a `record` it has committed a checkpoint."""
    saved = None if record is None else Committed(record, step, START, 8, "d")
    defaults = {"steps_trained": step, "checkpoints": int(saved is not None), "pid": 1}
    return Status("team/digits/1", 1, step=step, checkpoint=saved, **(defaults | fields))


def ended(code: int, reason: Reason | None = None, text: str = "", **fields: Any) -> Exit:
    """An exit; with a `reason` the trainer has said its last word."""
    message = said(**fields, ending=Ending(code, reason, text)).to_json() if reason else text
    return Exit(code, said=message)


RUNNING = {"phase": "Running", "attempt": 1, "run": "1", "program": "program-1", "startTime": START}
"""The status of a job in its first attempt."""
BETWEEN = RUNNING | {"phase": "Pending", "endedAttempt": 1}
"""The status of a job whose first attempt has ended."""


def conditions(status: JobStatus) -> dict[str, str]:
    return {c.type: c.status for c in status.conditions}
