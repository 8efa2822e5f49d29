"""From a manifest to what is run on this machine: program, folders, store. The reading part of it.

What this machine cannot give is refused where the result would differ, and named where not.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from perdure.contract import environment as names
from perdure_operator.build import Attempt, expand, trainer_environment
from perdure_operator.build.environment import defaults, lineage
from perdure_operator.local.callbacks import callback_problems, module_folders
from perdure_operator.model import ManifestError, TrainingJob
from perdure_operator.model.job import Callback
from perdure_operator.model.retries import DivergenceAction

_UNUSED = [
    "image",
    "image_pull_policy",
    "image_pull_secrets",
    "service_account_name",
    "labels",
    "annotations",
    "node_selector",
    "tolerations",
    "affinity",
    "topology_spread_constraints",
    "priority_class_name",
    "scheduler_name",
    "runtime_class_name",
    "run_as_user",
    "run_as_group",
    "fs_group",
    "shared_memory",
    "volumes",
    "volume_mounts",
    "init_containers",
    "ttl_seconds_after_finished",
]


@dataclass(frozen=True)
class Plan:
    """A job on this machine: where its program runs and where its state and logs go."""

    job: TrainingJob
    directory: Path
    home: Path
    inherited: Mapping[str, str]

    @property
    def store(self) -> str:
        """The store's URL: the manifest's, or a .perdure folder where the runner was started."""
        return self.job.spec.checkpoint.store or self.home.as_uri()

    @property
    def logs(self) -> Path:
        """The folder of the attempts' logs."""
        return self.home / "logs" / str(lineage(self.job))

    def log(self, attempt: int) -> Path:
        """The log of `attempt`."""
        return self.logs / f"attempt-{attempt}.log"

    @property
    def first_attempt(self) -> int:
        """One more than the last attempt with a log: numbers go on over calls of the runner."""
        found = (path.stem.removeprefix("attempt-") for path in self.logs.glob("attempt-*.log"))
        return 1 + max((int(number) for number in found if number.isdecimal()), default=0)

    def named(self, run: str) -> Plan:
        """The same job as another run."""
        spec = self.job.spec.model_copy(update={"run": run})
        return replace(self, job=self.job.model_copy(update={"spec": spec}))

    def adding(self, callback: Callback) -> Plan:
        """The same job with one more callback."""
        spec = self.job.spec.model_copy(update={"callbacks": [*self.job.spec.callbacks, callback]})
        return replace(self, job=self.job.model_copy(update={"spec": spec}))

    def command(self) -> list[str]:
        """The program with its arguments, `$(NAME)` expanded."""
        own = self._own_variables()
        words = [*self.job.spec.command, *self.job.spec.args]
        return [expand(word, own) for word in words]

    def environment(self, number: int, port: int, termination_log: Path) -> dict[str, str]:
        """All variables of an attempt: the shell's, the manifest's, ours.

        The folder of the runner's Python comes first in PATH, so that `python` is the one that has
        perdure. Of the PERDURE_* of the shell only those that are the user's to set are passed on: the
        others belong to another job.
        """
        attempt = Attempt(number, self.store, port, str(termination_log))
        return self.variables() | trainer_environment(self.job, attempt)

    def variables(self) -> dict[str, str]:
        """The shell's and the manifest's variables: what reaching the store needs."""
        return self._base() | self._own_variables()

    def find_program(self) -> str | None:
        """Where the program is; None if it cannot be started."""
        word, path = self.command()[0], self.variables().get("PATH")
        return shutil.which(str(self.directory / word) if "/" in word else word, path=path)

    def _base(self) -> dict[str, str]:
        passed = {
            name: value
            for name, value in self.inherited.items()
            if not name.startswith("PERDURE_") or name in names.SETTABLE
        }
        path = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), passed.get("PATH")]))
        return defaults(self.job) | passed | {"PATH": path}

    def _own_variables(self) -> dict[str, str]:
        own: dict[str, str] = {}
        for variable in self.job.spec.env:
            own[variable.name] = expand(variable.value or "", own)
        return own


def make_plan(job: TrainingJob, manifest: Path, inherited: Mapping[str, str]) -> Plan:
    """The plan for `job`, read from `manifest`.

    Raises:
        ManifestError: with a sentence for each thing that this machine cannot give.
    """
    directory = (manifest.parent / (job.spec.working_dir or ".")).resolve()
    plan = Plan(job, directory, Path.cwd() / ".perdure", inherited)
    problems = _problems(plan)
    if problems:
        raise ManifestError(problems)
    return plan


def _problems(plan: Plan) -> list[str]:
    spec = plan.job.spec
    problems = [
        f"spec.env[{index}].valueFrom: expected a value. Received: a reference, which only a "
        "cluster can resolve. Give a value to run on this machine."
        for index, variable in enumerate(spec.env)
        if variable.value_from is not None
    ]
    if spec.env_from:
        problems.append(
            "spec.envFrom: expected none. Received: references, which only a cluster can resolve. "
            "Give spec.env to run on this machine."
        )
    if spec.retries.divergence.action is DivergenceAction.ROLLBACK:
        problems.append(
            "spec.retries.divergence.action: expected Stop. Received: Rollback, which is not "
            "supported by perdure run yet."
        )
    folders = module_folders(plan.directory, plan.command())
    return problems + callback_problems(spec.callbacks, folders) + _missing(plan)


def _missing(plan: Plan) -> list[str]:
    if not plan.directory.is_dir():
        return [f"spec.workingDir: expected a folder. Received: {str(plan.directory)!r}."]
    if plan.find_program() is None:
        return [
            "spec.command[0]: expected a program in PATH or a path below spec.workingDir. "
            f"Received: {plan.command()[0]!r}."
        ]
    return []


def unused(job: TrainingJob) -> list[str]:
    """The paths of the fields that are given and have no meaning without a cluster."""
    spec = job.spec
    given = [
        f"spec.{type(spec).model_fields[name].alias}"
        for name in _UNUSED
        if name in spec.model_fields_set and getattr(spec, name)
    ]
    resources = {*spec.resources.limits, *spec.resources.requests} - {"cpu"}
    given += [f"spec.resources ({', '.join(sorted(resources))})"] if resources else []
    secret = spec.checkpoint.credentials_secret
    return given + (["spec.checkpoint.credentialsSecret"] if secret else [])
