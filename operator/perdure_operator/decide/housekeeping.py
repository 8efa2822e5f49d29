"""What is true of the children besides the current attempt."""

from __future__ import annotations

from dataclasses import replace

from perdure_operator.decide.look import Look
from perdure_operator.decide.plan import Action, DeleteJob, DeleteTrainingJob, Plan, Suspend

KEPT_JOBS = 3
"""Jobs of ended attempts that are kept, for their pods' logs."""


def keep_house(look: Look, plan: Plan) -> Plan:
    """`plan`, and before it: no ended attempt may bring forth a pod, and old ones go."""
    if any(isinstance(action, DeleteTrainingJob) for action in plan.actions):
        return plan
    ended = [
        job
        for job in look.seen.jobs
        if job.ours and not job.deleting and job.attempt <= plan.status.ended_attempt
    ]
    stopped: list[Action] = [
        Suspend(job) for job in ended if not job.suspended and job.finished is None
    ]
    oldest_kept = plan.status.ended_attempt - KEPT_JOBS
    old: list[Action] = [DeleteJob(job) for job in ended if job.attempt <= oldest_kept]
    new = [action for action in stopped if action not in plan.actions]
    return replace(plan, actions=(*new, *plan.actions, *old))
