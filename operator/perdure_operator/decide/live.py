"""An attempt under way: what is true of it, and whether it is told to go."""

from __future__ import annotations

import re

from perdure_operator.decide.deadline import seconds_left
from perdure_operator.decide.look import Look
from perdure_operator.decide.observed import Pod
from perdure_operator.decide.outdated import is_outdated
from perdure_operator.decide.plan import Action, PassRequest, Plan, Suspend
from perdure_operator.decide.reporting import reported
from perdure_operator.decide.request import state, understood
from perdure_operator.decide.types import Phase
from perdure_operator.model.status import Image, JobStatus, Trainer

_WITHOUT_POD_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 30.0
_BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def follow(look: Look) -> Plan:
    """The plan while the newest attempt goes on."""
    pod = look.seen.pod_of(look.seen.attempt)
    status = look.status if pod is None else _with_pod(look, look.status, pod)
    status = look.in_phase(status, *_phase(look, pod))
    ready = int(pod is not None and pod.running and not pod.leaving)
    status = status.model_copy(update={"ready": f"{ready}/{look.spec.workers}"})
    return Plan(status, tuple(_actions(look, pod)), _look_again_after(look, pod))


def _actions(look: Look, pod: Pod | None) -> list[Action]:
    job, actions = look.seen.job_of(look.seen.attempt), list[Action]()
    leaves = pod is not None and pod.leaving
    if job and not job.suspended and (leaves or why_to_stop(look)):
        actions.append(Suspend(job))
    request = understood(look.seen.request)
    if pod and not pod.leaving and request is not None and pod.request != request:
        actions.append(PassRequest(pod, request))
    return actions


def why_to_stop(look: Look) -> str | None:
    """Why the attempt is to end, though it would go on: one word."""
    if look.spec.suspend:
        return "Suspending"
    if look.status.run is not None and look.status.run != look.spec.run:
        return "NewRun"
    if seconds_left(look.started, look.now, look.spec.active_deadline_seconds) == 0:
        return "DeadlineExceeded"
    return "SpecChanged" if is_outdated(look) else None


def _phase(look: Look, pod: Pod | None) -> tuple[Phase, str, str]:
    attempt, stopping = look.seen.attempt, why_to_stop(look)
    if stopping == "SpecChanged":
        message = f"attempt {attempt} has not begun and makes way for one of the changed spec"
        return Phase.PENDING, stopping, message
    if pod is None:
        return Phase.PENDING, *_without_pod(look)
    if pod.running and pod.leaving:
        return Phase.RUNNING, "Leaving", f"pod {pod.name} was told to go and saves its state"
    if pod.running:
        message = f"attempt {attempt} trains in pod {pod.name}"
        return Phase.RUNNING, stopping or "Training", message
    if pod.problem:
        return Phase.PENDING, pod.problem.reason, pod.problem.message
    return Phase.PENDING, "Starting", f"pod {pod.name} of attempt {attempt} is being started"


def _without_pod(look: Look) -> tuple[str, str]:
    job = look.seen.job_of(look.seen.attempt)
    if job is None or look.now < job.created + _WITHOUT_POD_SECONDS:
        return "Starting", f"attempt {look.seen.attempt} is being started"
    return "PodNotCreated", (
        f"the Job controller has created no pod for more than {_WITHOUT_POD_SECONDS:.0f} s: a "
        "quota, a Pod Security level or a missing service account may forbid it. "
        f"See: kubectl describe job {job.name}"
    )


def _with_pod(look: Look, status: JobStatus, pod: Pod) -> JobStatus:
    """`status` with what the pod and the trainer in it say of themselves."""
    status = _with_replaced_pods(status, pod)
    status = _with_image(look, status, pod)
    obeyed = pod.report.request_obeyed if pod.report else None
    request = state(status.request, look.seen.request, obeyed)
    status = status.model_copy(update={"request": request})
    if pod.report is None:
        return status
    at = pod.reported_at
    return reported(status, pod.report, store=look.store, at=at, running=pod.running)


def _with_replaced_pods(status: JobStatus, pod: Pod) -> JobStatus:
    """Count the pods that the Job controller replaced while nobody looked: each was preempted.

    One is known by the new pod; how many more there were, by the processes that have begun.
    """
    known, starts = status.trainer, pod.report.starts if pod.report else 0
    if known is None:
        return status.model_copy(update={"trainer": Trainer(uid=pod.uid, starts=starts)})
    unseen = 0
    if known.uid != pod.uid:
        unseen, known = 1, Trainer(uid=pod.uid, before=known.starts or known.before)
    if starts and not known.starts:
        unseen += max(0, starts - known.before - 1) if known.before else 0
        known = Trainer(uid=pod.uid, starts=starts)
    retries = status.retries.model_copy(
        update={
            "preemption": status.retries.preemption + unseen,
            "total": status.retries.total + unseen,
        }
    )
    return status.model_copy(update={"trainer": known, "retries": retries})


def _with_image(look: Look, status: JobStatus, pod: Pod) -> JobStatus:
    """Pin the image that the spec asks for to the digest that a pod which asks for it runs."""
    requested, resolved = look.spec.image, pod.image_id or ""
    pinned = status.image is not None and status.image.requested == requested
    if requested is None or pinned or pod.image != requested or not _BY_DIGEST.fullmatch(resolved):
        return status
    image = Image(requested=requested, resolved=resolved)
    return status.model_copy(update={"image": image})


def _look_again_after(look: Look, pod: Pod | None) -> float:
    """When something may have changed without an event: times that run out."""
    left = seconds_left(look.started, look.now, look.spec.active_deadline_seconds)
    times = [_LOOK_AGAIN_SECONDS] + ([left] if left else [])
    if pod is not None and pod.delete_by is not None:
        times.append(max(1.0, pod.delete_by - look.now))
    return min(times)
