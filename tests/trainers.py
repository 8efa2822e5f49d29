"""Real training processes for tests: started, killed by real signals, and read by what they left.

Importing Keras takes seconds, so a nursery process imports it once and forks a child per attempt. The
child is a process like any other: it runs a script as `__main__` and dies of signals.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perdure.contract.status import Status
from perdure.determinism import FLAGS

PROGRAMS = Path(__file__).parent / "programs"
HOST_VARIABLES = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **FLAGS}


class Nursery:
    """Forks processes that have `modules` imported already, one at a time."""

    def __init__(self, *modules: str, **environ: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *(modules or ("keras", "tensorflow"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **HOST_VARIABLES, **environ},
            text=True,
        )
        assert self._read() == "ready"

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def _tell(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def start(
        self, arguments: Sequence[str], environ: dict[str, str], folder: Path, log: Path
    ) -> int:
        """Run a script; returns its process id. `wait` must follow."""
        self._tell([list(arguments), environ, str(folder), str(log)])
        return int(self._read())

    def wait(self) -> int:
        """The exit status of the running script, minus the signal's number if one killed it."""
        return int(self._read())

    def stop(self) -> None:
        """End the nursery."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def _nursery() -> None:
    for module in sys.argv[1:]:
        importlib.import_module(module)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        arguments, environ, folder, log = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(arguments, environ, folder, log)
        print(json.dumps(child), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


def _become(arguments: list[str], environ: dict[str, str], folder: str, log: str) -> None:
    """Be the script: the interpreter's own end follows, with its exit functions and exit code."""
    import runpy

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(folder)
    os.environ.update(environ)
    for name in [name for name in sys.modules if name.split(".")[0] == "perdure"]:
        del sys.modules[name]  # the script's own import of perdure is the first one
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).parent)
    runpy.run_path(arguments[0], run_name="__main__")
    sys.exit(0)


@dataclass
class Ended:
    """An attempt that is over."""

    code: int
    status: Status | None
    output: str

    @property
    def ending(self) -> Any:
        """What the termination message says of the end."""
        assert self.status is not None, f"no termination message; exit {self.code}\n{self.output}"
        assert self.status.ending is not None
        return self.status.ending


@dataclass
class Job:
    """A lineage and the attempts at it."""

    nursery: Nursery
    folder: Path
    script: str
    arguments: Sequence[str] = ()
    run: str = "1"
    store: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    attempts: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = self.store or (self.folder / "store").as_uri()

    @property
    def name(self) -> str:
        """namespace/name/run."""
        return f"tests/{Path(self.script).stem}/{self.run}"

    def start(self, **environ: str) -> int:
        """Start the next attempt; returns its process id."""
        number = str(len(self.attempts) + 1)
        self._log = self.folder / f"{self.run}-attempt-{number}.log"
        self._termination = self.folder / f"{self.run}-attempt-{number}.json"
        settings = {
            "PERDURE_STORE": self.store,
            "PERDURE_JOB": self.name,
            "PERDURE_ATTEMPT": number,
            "PERDURE_SEED": "11",
            "PERDURE_THREADS": "2",
            "PERDURE_METRICS_PORT": "0",
            "PERDURE_STORE_DEADLINE": "20",
            "PERDURE_TERMINATION_LOG": str(self._termination),
        }
        script = Path(self.script)
        path = script if script.is_absolute() else PROGRAMS / script
        work = self.folder / f"work-{self.run}"
        work.mkdir(exist_ok=True)
        arguments = [str(path), *self.arguments]
        return self.nursery.start(
            arguments, {**settings, **self.environ, **environ}, work, self._log
        )

    def wait(self) -> Ended:
        """Wait for the attempt to end."""
        code = self.nursery.wait()
        text = self._termination.read_text() if self._termination.exists() else None
        status = Status.from_json(text) if text else None
        ended = Ended(code, status, self._log.read_text())
        self.attempts.append(ended)
        return ended

    def attempt(self, **environ: str) -> Ended:
        """Run one attempt to its end."""
        self.start(**environ)
        return self.wait()

    def finish(self) -> Ended:
        """Run an attempt that nothing disturbs; it must end well."""
        ended = self.attempt()
        assert ended.code == 0, ended.output
        return ended

    def kill(self, number: int, *, after: int, also: dict[str, str] | None = None) -> Ended:
        """Run an attempt that gets signal `number` after its train batch `after`."""
        environ = {"KILL_SIGNAL": str(number), "KILL_AFTER": str(after), **(also or {})}
        ended = self.attempt(**environ)
        expected = -signal.SIGKILL if number == signal.SIGKILL else 75
        assert ended.code == expected, ended.output
        return ended

    def results(self) -> dict[str, Any]:
        """What `perdure checkpoints results` prints."""
        command = [sys.executable, "-m", "perdure", "checkpoints", "results"]
        arguments = ["--store", self.store, "--job", self.name]
        printed = subprocess.run(
            [*command, *arguments],
            check=True,
            capture_output=True,
            env={**os.environ, **self.environ},
        )
        result: dict[str, Any] = json.loads(printed.stdout)
        return result

    @property
    def steps_trained(self) -> int:
        """The steps that all attempts have computed, by their own word."""
        assert all(ended.status for ended in self.attempts), "an attempt left no word"
        return sum(ended.status.steps_trained for ended in self.attempts if ended.status)


def first_difference(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """The first thing in which two results differ: a tensor, a History value, the number of fits."""
    assert one["fits"], "nothing was trained"
    if len(one["fits"]) != len(other["fits"]):
        return f"{len(one['fits'])} fits and {len(other['fits'])}"
    for left, right in zip(one["fits"], other["fits"], strict=True):
        if left["history"] != right["history"]:
            return f"fit {left['fit']}: History {left['history']} and {right['history']}"
        for a, b in zip(left["tensors"], right["tensors"], strict=True):
            if a["digest"] != b["digest"]:
                return f"fit {left['fit']}: {a['group']} {a['index']} {a['path']}"
    return None


if __name__ == "__main__":
    _nursery()
