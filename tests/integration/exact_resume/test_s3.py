"""The same over real S3 servers, and a server that goes away while training goes on."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from pathlib import Path

import pytest
import s3_server
from s3_server import S3, S3Server, free_port
from trainers import Job, Nursery, first_difference


@pytest.mark.slow
@pytest.mark.parametrize("way", ["array_shuffled", "tf_data"])
def test_killed_and_noticed_over_s3(nursery: Nursery, tmp_path: Path, s3: S3, way: str) -> None:
    undisturbed = Job(nursery, tmp_path, "ways.py", [way], run="undisturbed")
    undisturbed.finish()
    job = Job(nursery, tmp_path, "ways.py", [way], store=s3.url, environ=dict(s3.environment))
    for number, after in ((signal.SIGTERM, 3), (signal.SIGKILL, 9), (signal.SIGTERM, 6)):
        job.kill(number, after=after, also={"PERDURE_EVERY": "2 steps"})
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
        return answer.read().decode()


def _wait_until(port: int, condition) -> dict:
    for _ in range(400):
        try:
            status = json.loads(_get(port, "status"))
        except OSError:
            status = {}
        if status and condition(status):
            return status
        time.sleep(0.05)
    raise AssertionError(f"the status never said so: {status}")


@pytest.mark.slow
def test_a_store_that_goes_away_later(
    nursery: Nursery, tmp_path: Path, versitygw: S3Server
) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    server = s3_server.versitygw(folder).start()
    environ = {**S3(server, server.make_bucket()).environment, "PAUSE": "0.5", "EPOCHS": "4"}
    bucket = server.make_bucket()
    port = free_port()
    job = Job(
        nursery, tmp_path, "plain.py", store=f"s3://{bucket}/x",
        environ={**environ, "PERDURE_EVERY": "2 steps", "PERDURE_METRICS_PORT": str(port)},
    )  # fmt: skip
    job.start()
    _wait_until(port, lambda status: status["checkpoint"])
    server.stop()
    failing = _wait_until(port, lambda status: status["uncommittedSince"])
    later = _wait_until(port, lambda status: status["step"] > failing["step"] + 2)
    assert later["checkpoint"]["step"] == failing["checkpoint"]["step"]
    assert "perdure_checkpoint_failing_since_timestamp_seconds 1." in _get(port, "metrics")
    assert [notice["kind"] for notice in later["notices"]].count("StoreUnavailable") == 1
    server.start()
    _wait_until(port, lambda status: not status["uncommittedSince"])
    ended = job.wait()
    server.stop()
    assert ended.code == 0, ended.output
    assert "saves commit again" in ended.output
