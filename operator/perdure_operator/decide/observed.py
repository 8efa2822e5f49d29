"""What is seen of a TrainingJob at one moment: all that a reconcile decides on."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.contract.status import Status
from perdure_operator.model.job import TrainingJob
from perdure_operator.model.status import JobStatus


@dataclass(frozen=True)
class Problem:
    """Something that keeps a job from going on: one word, and a sentence that names the cure."""

    reason: str
    message: str


@dataclass(frozen=True)
class Exit:
    """How a trainer's container ended. `said` is its termination message, else its last output;
    one that has not `begun` was taken away while it waited.
    """

    code: int
    signal: int | None = None
    reason: str = ""
    said: str = ""
    begun: bool = True


@dataclass(frozen=True)
class Pod:
    """A trainer's pod. Times are seconds since the epoch.

    `delete_by` is when its grace ends, where it is being deleted. `disrupted` means that somebody
    outside took it away. `grace_seconds` is what it was made with. `image` is what its spec asks for,
    `image_id` what the node made of it. `report` is the trainer's newest answer, given at the time
    `reported_at`; since `silent_since` it has given none.
    """

    name: str
    uid: str
    attempt: int
    created: float
    ours: bool = True
    delete_by: float | None = None
    disrupted: bool = False
    running: bool = False
    exit: Exit | None = None
    gone_without_exit: bool = False
    problem: Problem | None = None
    grace_seconds: int | None = None
    image: str | None = None
    image_id: str | None = None
    request: str | None = None
    report: Status | None = None
    reported_at: float = 0.0
    silent_since: float | None = None

    @property
    def leaving(self) -> bool:
        """Whether it has ended or been told to."""
        return self.delete_by is not None or self.has_ended

    @property
    def has_begun(self) -> bool:
        """Whether a process of it runs or has run."""
        return self.running or (self.exit is not None and self.exit.begun)

    @property
    def has_ended(self) -> bool:
        """Whether no process of it runs any more."""
        return self.exit is not None or self.gone_without_exit


@dataclass(frozen=True)
class AttemptJob:
    """The Job of an attempt. `ours` means that this very TrainingJob owns it. `pod_spec` is the
    digest of what the spec said of the pod when it was made.
    """

    name: str
    uid: str
    attempt: int
    run: str
    created: float
    resource_version: str
    ours: bool = True
    suspended: bool = False
    deleting: bool = False
    pod_spec: str | None = None
    finished: Problem | None = None


@dataclass(frozen=True)
class Seen:
    """A TrainingJob, its children and its last status. `program` is the digest of what the spec
    says of the program, `pod_spec` of all that it says of the pod.
    """

    job: TrainingJob
    program: str
    pod_spec: str
    status: JobStatus
    jobs: tuple[AttemptJob, ...] = ()
    pods: tuple[Pod, ...] = ()
    ignored_fields: tuple[str, ...] = ()
    request: str | None = None

    @property
    def attempt(self) -> int:
        """The newest attempt that is known of: by the status and by its Jobs' labels."""
        return max([self.status.attempt, *(job.attempt for job in self.jobs if job.ours)])

    @property
    def next_attempt(self) -> int:
        """A number that no Job of this name has, not even one of an earlier TrainingJob."""
        return 1 + max([self.status.attempt, *(job.attempt for job in self.jobs)])

    def job_of(self, attempt: int) -> AttemptJob | None:
        """The Job of `attempt`, if this TrainingJob has it."""
        return next((j for j in self.jobs if j.attempt == attempt and j.ours), None)

    def pod_of(self, attempt: int) -> Pod | None:
        """The newest pod of `attempt`: the Job controller may have replaced an older one."""
        pods = [pod for pod in self.pods if pod.attempt == attempt and pod.ours]
        return max(pods, key=lambda pod: (not pod.has_ended, pod.created), default=None)
