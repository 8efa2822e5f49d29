"""One look at a TrainingJob: what was seen, when, and by which installation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from perdure_operator.decide import conditions
from perdure_operator.decide.observed import Problem, Seen
from perdure_operator.decide.types import Phase
from perdure_operator.model.job import Spec
from perdure_operator.model.status import JobStatus
from perdure_operator.model.times import epoch


@dataclass(frozen=True)
class Look:
    """What every check of a reconcile looks at. `now` is in seconds since the epoch."""

    seen: Seen
    now: float
    default_store: str | None = None

    @property
    def spec(self) -> Spec:
        """What the user wants."""
        return self.seen.job.spec

    @property
    def status(self) -> JobStatus:
        """What was so at the last look."""
        return self.seen.status

    @property
    def generation(self) -> int | None:
        """The generation of the spec."""
        return self.seen.job.metadata.generation

    @property
    def store(self) -> str:
        """Where the checkpoints go."""
        return self.spec.checkpoint.store or self.default_store or ""

    @property
    def is_live(self) -> bool:
        """Whether an attempt is under way whose end is not counted yet."""
        return self.seen.attempt > self.status.ended_attempt

    @property
    def started(self) -> float:
        """When the run began."""
        return epoch(self.status.start_time) if self.status.start_time else self.now

    def with_status(self, status: JobStatus) -> Look:
        """The same look with another status."""
        return replace(self, seen=replace(self.seen, status=status))

    def in_phase(self, status: JobStatus, phase: Phase, reason: str, message: str) -> JobStatus:
        """`status` in `phase`."""
        why = Problem(reason, message)
        return conditions.in_phase(status, phase, why, now=self.now, generation=self.generation)
