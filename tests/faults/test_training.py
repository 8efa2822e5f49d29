"""Real trainings through the proxy: under faults, and killed at requests, they end with the same bits."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3_server
from faults_at_random import Weather
from killing import Killer
from s3_faults import TRANSIENT, Flip, Shorten
from s3_proxy import S3Proxy
from s3_server import S3Server
from trainers import Job, Nursery, first_difference

pytestmark = pytest.mark.slow
SEED = 7
QUICK = (*TRANSIENT, Flip("request"), Flip("answer"), Shorten())  # a stall ends after minutes only
SAVES = {"PERDURE_EVERY": "2 steps"}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A process that has Keras imported."""
    nursery = Nursery()
    yield nursery
    nursery.stop()


@pytest.fixture
def proxy(versitygw: S3Server) -> Iterator[S3Proxy]:
    with S3Proxy(versitygw.port) as proxy:
        yield proxy


@pytest.fixture
def job(nursery: Nursery, versitygw: S3Server, proxy: S3Proxy, tmp_path: Path) -> Job:
    store = f"s3://{versitygw.make_bucket()}/some/prefix"
    environ = s3_server.credentials(proxy.url)
    return Job(nursery, tmp_path, "ways.py", ["array_shuffled"], store=store, environ=environ)


def check_same(job: Job) -> None:
    """The results are those of a training that nothing disturbed."""
    undisturbed = Job(job.nursery, job.folder, job.script, job.arguments, run="undisturbed")
    undisturbed.finish()
    assert first_difference(undisturbed.results(), job.results()) is None


def test_a_training_under_faults(job: Job, proxy: S3Proxy) -> None:
    """A fault at every eighth request, one kill and one notice."""
    proxy.on_request = Weather(SEED, 0.125, QUICK, bursts=())
    job.kill(signal.SIGKILL, after=9, also=SAVES)
    job.kill(signal.SIGTERM, after=7, also=SAVES)
    ended = job.attempt(**SAVES)
    assert ended.code == 0, ended.output
    print(f"\n{len(proxy.faults)} faults at {len(proxy.requests)} requests")
    assert len(proxy.faults) > 10
    proxy.heal()
    check_same(job)


@pytest.mark.timeout(3600)
def test_a_training_that_is_killed_at_requests(
    job: Job, proxy: S3Proxy, request: pytest.FixtureRequest
) -> None:
    """Whatever the request, the next attempt goes on, and the result is the same."""
    most = int(request.config.getoption("--kills")) or 20
    numbers = random.Random(SEED).sample(range(8, 40), most)
    killed = []
    for place, number in enumerate(numbers):
        killer = Killer(proxy, number, is_obeyed=place % 2 == 1)
        killer.aim(job.start(**SAVES))
        ended = job.wait()
        killer.wait_until_quiet()
        assert ended.code == (-signal.SIGKILL if killer.has_killed else 0), ended.output
        if not killer.has_killed:
            break
        killed.append(killer.what)
    job.finish()
    print(f"\n{len(killed)} kills of a training: {killed}")
    assert killed
    check_same(job)
