"""What can never work ends with 78 and a sentence; what may work later ends with 69."""

from __future__ import annotations

from pathlib import Path

import pytest
from s3_server import S3Server, credentials, free_port
from trainers import Job, Nursery

from perdure.contract.exits import ExitCode, Reason

BAD = {
    "misspelt setting": (
        {"PERDURE_EVRY": "3 steps"},
        ["PERDURE_EVRY", "Did you mean PERDURE_EVERY?"],
    ),
    "interval": ({"PERDURE_EVERY": "-3 steps"}, ["PERDURE_EVERY", "'500 steps'", "'-3 steps'"]),
    "keep": ({"PERDURE_KEEP": "3"}, ["PERDURE_KEEP", "'last=N'", "'3'"]),
    "job": ({"PERDURE_JOB": "a/b"}, ["PERDURE_JOB", "namespace/name/run", "'a/b'"]),
    "attempt": ({"PERDURE_ATTEMPT": "0"}, ["PERDURE_ATTEMPT", "at least 1", "'0'"]),
    "port": ({"PERDURE_METRICS_PORT": "99999"}, ["PERDURE_METRICS_PORT", "65535", "99999"]),
    "scheme": ({"PERDURE_STORE": "gs://bucket"}, ["s3://", "file:///", "gs://bucket"]),
    "backend": ({"KERAS_BACKEND": "jax"}, ["KERAS_BACKEND", "'tensorflow'", "'jax'"]),
    "monitor": (
        {"PERDURE_KEEP": "last=2,best=val_los:min"},
        ["keep.best.monitor", "loss", "'val_los'"],
    ),
    "callback": (
        {"PERDURE_CALLBACKS": '[{"name": "EarlyStoping"}]'},
        ["spec.callbacks[0].name", "'EarlyStoping'", "Did you mean 'EarlyStopping'?"],
    ),
    "callback argument": (
        {"PERDURE_CALLBACKS": '[{"name": "EarlyStopping", "args": {"patienc": 3}}]'},
        ["spec.callbacks[0].args.patienc", "EarlyStopping", "Did you mean 'patience'?"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_bad_setting(nursery: Nursery, tmp_path: Path, name: str) -> None:
    environ, said = BAD[name]
    ended = Job(nursery, tmp_path, "plain.py").attempt(**environ)
    assert ended.code == ExitCode.REFUSED, ended.output
    assert ended.ending.reason == Reason.REFUSED
    for words in said:
        assert words in ended.ending.message
        assert words in ended.output


@pytest.mark.slow
def test_no_such_bucket(nursery: Nursery, tmp_path: Path, each_s3_server: S3Server) -> None:
    job = Job(nursery, tmp_path, "plain.py", store="s3://there-is-no-such-bucket/x")
    ended = job.attempt(**credentials(each_s3_server.url))
    assert ended.code == ExitCode.REFUSED, ended.output
    assert "there-is-no-such-bucket" in ended.ending.message


@pytest.mark.slow
def test_access_denied(nursery: Nursery, tmp_path: Path, versitygw: S3Server) -> None:
    job = Job(nursery, tmp_path, "plain.py", store=f"s3://{versitygw.make_bucket()}/x")
    wrong = {**credentials(versitygw.url), "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
    ended = job.attempt(**wrong)
    assert ended.code == ExitCode.REFUSED, ended.output
    assert "not-the-secret" not in ended.output


@pytest.mark.slow
def test_unreachable_store(nursery: Nursery, tmp_path: Path) -> None:
    job = Job(nursery, tmp_path, "plain.py", store="s3://bucket/x")
    nobody = credentials(f"http://127.0.0.1:{free_port()}")
    ended = job.attempt(**nobody, PERDURE_STORE_DEADLINE="3")
    assert ended.code == ExitCode.STORE_UNREACHABLE, ended.output
    assert ended.ending.reason == Reason.STORE_UNREACHABLE
    assert "tries in 3 s" in ended.ending.message
