"""A trainer as a container has it: the first process, a user that nobody knows, status for the cluster."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
from trainers import HOST_VARIABLES, PROGRAMS

from perdure.contract.exits import ExitCode
from perdure.contract.status import Status

USER = 65532  # may read everything here, since the interpreter may lie in somebody's home
AS_USER = [
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
]  # fmt: skip
TRAINER = [sys.executable, str(PROGRAMS / "plain.py")]


def _environ(folder: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        **HOST_VARIABLES,
        "PERDURE_STORE": (folder / "store").as_uri(),
        "PERDURE_JOB": "tests/plain/1",
        "PERDURE_ATTEMPT": "1",
        "PERDURE_EVERY": "1 steps",
        "PERDURE_TERMINATION_LOG": str(folder / "message"),
        **more,
    }


def _started(command: Sequence[str], folder: Path, **environ: str) -> subprocess.Popen[bytes]:
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            command, cwd=folder, env=_environ(folder, **environ), stdout=log, stderr=log
        )


def _until_saved(folder: Path, process: subprocess.Popen[bytes]) -> None:
    while not (folder / "store/tests/plain/1/log/00000003.json").exists():
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _status(url: str) -> Status:
    with urllib.request.urlopen(f"{url}/status", timeout=30) as answer:
        return Status.from_json(answer.read().decode())


@pytest.mark.slow
def test_sigterm_reaches_the_first_process_of_a_container(tmp_path: Path) -> None:
    """The kernel keeps signals without a handler of their own from the first process."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("needs root and unshare: install util-linux and run as root")
    command = ["unshare", "--fork", "--pid", "--mount-proc", *TRAINER]
    process = _started(command, tmp_path, PAUSE="0.2", EPOCHS="100", PERDURE_METRICS_PORT="0")
    _until_saved(tmp_path, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    assert process.wait(timeout=120) == ExitCode.RESUME, (tmp_path / "log").read_text()
    message = Status.from_json((tmp_path / "message").read_text())
    assert message.pid == 1
    assert message.checkpoint is not None
    assert message.checkpoint.step == message.step, "no step is lost"


@pytest.mark.slow
def test_a_user_without_a_name_or_a_home_trains_and_is_seen_from_other_machines(
    tmp_path: Path,
) -> None:
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("needs root and setpriv: install util-linux and run as root")
    os.chown(tmp_path, USER, USER)
    port = _free_port()
    process = _started(
        [*AS_USER, "sh", "-c", f"{' '.join(TRAINER)}; exit $?"], tmp_path, HOME="/", PAUSE="0.5",
        EPOCHS="2", KUBERNETES_SERVICE_HOST="10.0.0.1", PERDURE_METRICS_PORT=str(port),
    )  # fmt: skip
    _until_saved(tmp_path, process)
    hosts = ["127.0.0.2", *(["[::1]"] if socket.has_dualstack_ipv6() else [])]
    for host in hosts:  # what listens on 127.0.0.1 alone is at neither
        status = _status(f"http://{host}:{port}")
        assert status.pid not in (0, 1, process.pid), "a shell stands before the trainer"
        assert status.starts == 1
        assert status.grace_needed_seconds is not None
        assert status.grace_needed_seconds >= 2
    assert process.wait(timeout=300) == 0, (tmp_path / "log").read_text()
    assert (tmp_path / "store").stat().st_uid == USER


@pytest.mark.slow
def test_outside_of_a_cluster_nothing_is_seen_from_other_machines(tmp_path: Path) -> None:
    port = _free_port()
    process = _started(TRAINER, tmp_path, PAUSE="0.5", EPOCHS="2", PERDURE_METRICS_PORT=str(port))
    _until_saved(tmp_path, process)
    assert _status(f"http://127.0.0.1:{port}").pid == process.pid
    with pytest.raises(OSError, match="refused"):
        _status(f"http://127.0.0.2:{port}")
    assert process.wait(timeout=300) == 0
