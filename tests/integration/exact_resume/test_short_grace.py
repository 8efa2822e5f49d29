"""A grace that is too short for a slow store: the best that fits is committed, and what is lost is said."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3_faults import Delay, Request
from s3_proxy import S3Proxy
from s3_server import S3Server, credentials
from trainers import Ended, Job, Nursery, first_difference

from perdure.contract.status import Kind, Leaving


def slow(seconds: float) -> Callable[[Request], Delay | None]:
    """Each chunk takes so long to be stored."""
    return lambda request: Delay(seconds) if "/chunks/" in request.key else None


@pytest.fixture
def proxy(moto_server: S3Server) -> Iterator[S3Proxy]:
    with S3Proxy(moto_server.port) as proxy:
        yield proxy


def notices(ended: Ended) -> list[str]:
    assert ended.status is not None
    return [notice.kind for notice in ended.status.notices]


@pytest.mark.slow
def test_nothing_can_be_saved_in_time(
    nursery: Nursery, tmp_path: Path, moto_server: S3Server, proxy: S3Proxy
) -> None:
    undisturbed = Job(nursery, tmp_path, "ways.py", ["array_shuffled"], run="undisturbed")
    undisturbed.finish()
    store = f"s3://{moto_server.make_bucket()}/x"
    environ = {**credentials(proxy.url), "PERDURE_GRACE": "4", "PERDURE_EVERY": "2 steps"}
    job = Job(nursery, tmp_path, "ways.py", ["array_shuffled"], store=store, environ=environ)
    proxy.on_request = slow(8.0)
    ended = job.kill(signal.SIGTERM, after=9)
    assert "nothing could be saved" in ended.ending.message
    assert Kind.GRACE_TOO_SHORT in notices(ended)
    assert ended.status.departure.decision == Leaving.FINISH_SAVE
    assert ended.status.departure.grace_seconds == 4.0
    proxy.heal()
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None


@pytest.mark.slow
def test_what_is_under_way_is_finished_and_the_rest_is_lost(
    nursery: Nursery, tmp_path: Path, moto_server: S3Server, proxy: S3Proxy
) -> None:
    store = f"s3://{moto_server.make_bucket()}/x"
    environ = {
        **credentials(proxy.url), "PAUSE": "0.4", "EPOCHS": "3", "PERDURE_GRACE": "2.8",
        "PERDURE_EVERY": "2 steps",
    }  # fmt: skip
    job = Job(nursery, tmp_path, "plain.py", store=store, environ=environ)
    proxy.on_request = slow(2.0)
    ended = job.kill(signal.SIGTERM, after=14)
    status = ended.status
    assert status.checkpoint is not None
    assert 0 < status.checkpoint.step < status.step
    assert Kind.GRACE_TOO_SHORT in notices(ended)
    assert status.departure.decision in (Leaving.KEEP_COMMITTED, Leaving.FINISH_SAVE)
    assert status.grace_needed_seconds > 4.0
    assert f"saved at step {status.checkpoint.step}" in ended.ending.message


@pytest.mark.slow
def test_nothing_is_committed_yet_and_the_grace_is_a_second(
    nursery: Nursery, tmp_path: Path
) -> None:
    job = Job(nursery, tmp_path, "ways.py", ["tf_data"], environ={"PERDURE_GRACE": "1"})
    ended = job.kill(signal.SIGTERM, after=5)
    assert ended.status.departure.decision == Leaving.TRY_ANYWAY
    assert ended.status.departure.left_seconds < ended.status.departure.expected_seconds
    undisturbed = Job(nursery, tmp_path, "ways.py", ["tf_data"], run="undisturbed")
    undisturbed.finish()
    job.finish()
    assert first_difference(undisturbed.results(), job.results()) is None
