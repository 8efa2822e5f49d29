"""What a trainer was told: the environment variables, parsed once and checked."""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perdure.contract import environment as env
from perdure.contract.environment import InvalidSetting, Job, Keep
from perdure.contract.interval import Every
from perdure.contract.prices import Prices


@dataclass(frozen=True)
class Settings:
    """The settings of this process."""

    store: str
    job: Job
    job_is_given: bool
    managed: bool
    attempt: int
    every: Every
    keep: Keep
    prices: Prices | None
    grace_seconds: float
    store_deadline_seconds: float
    metrics_port: int
    termination_log: Path | None
    continues: bool
    callbacks: str
    request_file: Path | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Parse `environ`.

        Raises:
            InvalidSetting: naming the variable, what was expected and what was received.
        """
        _refuse_unknown(environ)
        job = environ.get(env.JOB)
        return cls(
            store=environ.get(env.STORE) or _default_store(environ),
            job=Job.parse(job) if job else Job("local", _script_name()),
            job_is_given=bool(job),
            managed=bool(environ.get(env.ATTEMPT)),
            attempt=env.whole_number(environ, env.ATTEMPT, 1, least=1),
            every=Every.parse(environ.get(env.EVERY) or "auto"),
            keep=Keep.parse(environ.get(env.KEEP) or "last=3"),
            prices=Prices.parse(environ[env.PRICES]) if environ.get(env.PRICES) else None,
            grace_seconds=env.number(environ, env.GRACE, env.DEFAULT_GRACE_SECONDS),
            store_deadline_seconds=env.number(
                environ, env.STORE_DEADLINE, env.DEFAULT_STORE_DEADLINE_SECONDS
            ),
            metrics_port=_port(environ),
            termination_log=termination_log(environ),
            continues=_flag(environ, env.CONTINUE),
            callbacks=environ.get(env.CALLBACKS) or "[]",
            request_file=_path(environ, env.REQUEST_FILE),
        )


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    import difflib

    for name in environ:
        if name.startswith("PERDURE_") and name not in env.ALL:
            close = difflib.get_close_matches(name, env.ALL, n=1)
            hint = (
                f" Did you mean {close[0]}?" if close else f" Known: {', '.join(sorted(env.ALL))}."
            )
            raise InvalidSetting(f"{name}: expected a setting that Perdure knows.{hint}")


def _default_store(environ: Mapping[str, str]) -> str:
    if "KUBERNETES_SERVICE_HOST" in environ:
        raise InvalidSetting(
            f"{env.STORE}: expected s3://bucket/prefix or file:///folder on a volume that outlives the "
            f"pod. Received: nothing, and the pod's own disk is lost with the pod."
        )
    return (Path.cwd() / ".perdure").as_uri()


def _script_name() -> str:
    """The lineage of a script started by hand is named after it; a notebook gets a new one each time."""
    path = Path(sys.argv[0]) if sys.argv else Path()
    if hasattr(sys, "ps1") or "ipykernel" in sys.modules or path.suffix != ".py":
        return f"notebook-{uuid.uuid4().hex[:12]}"
    return re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).strip("._-") or "script"


def _port(environ: Mapping[str, str]) -> int:
    port = env.whole_number(environ, env.METRICS_PORT, env.DEFAULT_METRICS_PORT)
    if port > 65535:
        raise InvalidSetting(
            f"{env.METRICS_PORT}: expected a port from 0 to 65535. Received: {port}."
        )
    return port


def termination_log(environ: Mapping[str, str]) -> Path | None:
    """Where to leave the termination message, None where nobody would read one."""
    given = environ.get(env.TERMINATION_LOG)
    path = Path(given or env.DEFAULT_TERMINATION_LOG)
    return path if given or os.access(path, os.W_OK) else None


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name) or "false"
    if value not in ("true", "false"):
        raise InvalidSetting(f"{name}: expected true or false. Received: {value!r}.")
    return value == "true"
