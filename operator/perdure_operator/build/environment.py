"""The environment of a trainer."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from perdure.contract import environment as names
from perdure.contract.interval import Budget, Every
from perdure_operator.model.base import parse_quantity
from perdure_operator.model.checkpoint import Interval, IntervalMode, Keep
from perdure_operator.model.containers import Resources
from perdure_operator.model.job import Metadata, Spec, TrainingJob

_UNITS = {IntervalMode.STEPS: "steps", IntervalMode.SECONDS: "s", IntervalMode.EPOCHS: "epochs"}


@dataclass(frozen=True)
class Attempt:
    """What differs between attempts and between the places where they run."""

    number: int
    store: str
    metrics_port: int = names.DEFAULT_METRICS_PORT
    termination_log: str = names.DEFAULT_TERMINATION_LOG


def trainer_environment(job: TrainingJob, attempt: Attempt) -> dict[str, str]:
    """The PERDURE_* variables of `attempt`; every one that the contract lets us set, or none."""
    spec = job.spec
    environment = {
        names.STORE: attempt.store,
        names.JOB: str(lineage(job)),
        names.EVERY: str(every(spec.checkpoint.interval)),
        names.KEEP: str(keep(spec.checkpoint.keep)),
        names.ATTEMPT: str(attempt.number),
        names.SEED: str(seed(job.metadata)),
        names.THREADS: str(threads(spec.resources)),
        names.GRACE: str(spec.termination_grace_period_seconds),
        names.PROGRAM: program(spec),
        names.METRICS_PORT: str(attempt.metrics_port),
        names.TERMINATION_LOG: attempt.termination_log,
    }
    if spec.continue_:
        environment[names.CONTINUE] = "true"
    if spec.callbacks:
        environment[names.CALLBACKS] = json.dumps(_callbacks(spec))
    return environment


def defaults(job: TrainingJob) -> dict[str, str]:
    """Variables that are the user's to set otherwise: output as it is written, and one order of sets of
    strings in all attempts, which Python draws anew in every process.
    """
    return {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": str(seed(job.metadata))}


def lineage(job: TrainingJob) -> names.Job:
    """Which lineage `job` continues."""
    return names.Job(job.metadata.namespace, job.metadata.name, job.spec.run)


def every(interval: Interval) -> Every:
    """How often to save, in the contract's words."""
    if interval.value is None:
        return Every(budget=budget(interval))
    return Every(_UNITS[interval.mode], interval.value)


def budget(interval: Interval) -> Budget:
    """What saving may cost, in the contract's words; what is not given is the contract's default."""
    percent, sent = interval.overhead_percent, interval.bytes_per_hour
    given = {
        "least_seconds": interval.min_seconds,
        "overhead": percent / 100 if percent is not None else None,
        "bytes_per_hour": math.ceil(parse_quantity(sent)) if sent is not None else None,
        "requests_per_hour": interval.requests_per_hour,
    }
    return Budget(**{name: float(value) for name, value in given.items() if value is not None})


def keep(policy: Keep) -> names.Keep:
    """Which checkpoints to keep, in the contract's words."""
    best = {"monitor": policy.best.monitor, "mode": policy.best.mode} if policy.best else {}
    return names.Keep(
        policy.last, **best, every_steps=policy.every_steps, every_hours=policy.every_hours
    )


def seed(metadata: Metadata) -> int:
    """31 bits from the job's name, without the run: two runs of a job are to agree."""
    digest = hashlib.sha256(f"{metadata.namespace}/{metadata.name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF


def threads(resources: Resources) -> int:
    """Whole cores of the limit, else of the request: results differ between thread counts, so the
    number of cores that a node happens to have must not decide.
    """
    cpu = resources.limits.get("cpu") or resources.requests.get("cpu")
    return max(1, math.ceil(parse_quantity(cpu))) if cpu else names.DEFAULT_THREADS


def _callbacks(spec: Spec) -> list[dict[str, Any]]:
    return [callback.model_dump() for callback in spec.callbacks]


def program(spec: Spec) -> str:
    """A digest of the program: image, command, arguments, environment and callbacks.

    What the script itself says is digested by the library, which can read it.
    """
    parts = {
        "image": spec.image,
        "command": spec.command,
        "args": spec.args,
        "env": [variable.model_dump() for variable in spec.env],
        **({"callbacks": _callbacks(spec)} if spec.callbacks else {}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
