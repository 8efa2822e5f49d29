"""Buckets as their owners have set them up: encrypted, versioned, with other people's objects."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s3_faults import Fault, Ignore, OnRequest, Refuse, Request
from s3_proxy import S3Proxy
from s3_server import S3, S3Server

from perdure.store import Store, Timeouts, Unusable, check, open_store

OpenS3 = Callable[..., Store]
CHECKPOINTS = Path(__file__).parents[3] / "docs" / "checkpoints.md"


def head(s3: S3, key: str) -> dict[str, Any]:
    with contextlib.closing(s3.server.client()) as client:
        answer: dict[str, Any] = client.head_object(Bucket=s3.bucket, Key=f"some/prefix/{key}")
    return answer


def encrypting(server: S3Server, open_s3: OpenS3, sse: str, monkeypatch: Any) -> tuple[S3, Store]:
    s3 = S3(server, server.make_bucket())
    monkeypatch.setenv("PERDURE_SSE", sse)
    return s3, open_s3(s3.bucket, server.url, Timeouts())


@pytest.mark.parametrize("server", ["minio", "moto_server"])
@pytest.mark.parametrize(
    ("sse", "algorithm", "key"),
    [
        ("AES256", "AES256", None),
        ("aws:kms", "aws:kms", None),
        ("aws:kms:a-key", "aws:kms", "a-key"),
    ],
)
def test_every_write_asks_for_the_encryption(
    request: pytest.FixtureRequest,
    open_s3: OpenS3,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
    sse: str,
    algorithm: str,
    key: str | None,
) -> None:
    s3, store = encrypting(request.getfixturevalue(server), open_s3, sse, monkeypatch)
    check(store, "probe")
    store.put("put", b"content")
    store.create("created", b"content")
    for name in ("put", "created"):
        about = head(s3, name)
        assert about["ServerSideEncryption"] == algorithm
        assert key is None or about["SSEKMSKeyId"].endswith(key)
        assert store.get(name) == b"content"


def test_a_server_that_leaves_the_encryption_out_is_refused(
    versitygw: S3Server, open_s3: OpenS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store = encrypting(versitygw, open_s3, "AES256", monkeypatch)
    with pytest.raises(Unusable, match=r"(PERDURE_SSE|NotImplemented)"):
        check(store, "probe")
    assert store.list("") == {}


@pytest.mark.parametrize("server", ["minio", "moto_server"])
def test_a_bucket_that_keeps_versions_is_told_from_one_that_does_not(
    request: pytest.FixtureRequest, open_s3: OpenS3, server: str
) -> None:
    s3 = S3(request.getfixturevalue(server), request.getfixturevalue(server).make_bucket())
    store = open_s3(s3.bucket, s3.server.url, Timeouts())
    with contextlib.closing(s3.server.client()) as client:
        for status, keeps in ((None, False), ("Enabled", True), ("Suspended", False)):
            if status:
                client.put_bucket_versioning(
                    Bucket=s3.bucket, VersioningConfiguration={"Status": status}
                )
            assert check(store, "probe").keeps_versions is keeps


@pytest.mark.parametrize("server", ["minio", "moto_server"])
def test_the_lifecycle_rule_of_the_documentation_is_one(
    request: pytest.FixtureRequest, server: str
) -> None:
    blocks = re.findall(r"```json\n(.*?)```", CHECKPOINTS.read_text(), re.DOTALL)
    rule = json.loads(next(block for block in blocks if "perdure-old-versions" in block))
    real: S3Server = request.getfixturevalue(server)
    bucket = real.make_bucket()
    with contextlib.closing(real.client()) as client:
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rule)
        (kept,) = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (kept["ID"], kept["Status"]) == ("perdure-old-versions", "Enabled")
    assert kept["NoncurrentVersionExpiration"]["NoncurrentDays"] >= 1


def test_objects_of_other_people_are_not_listed(s3: S3, s3_store: Store) -> None:
    """A console marks a folder by an object whose name ends with a slash."""
    s3_store.put("log/1", b"")
    with contextlib.closing(s3.server.client()) as client:
        for key in ("some/prefix/", "some/prefix/log/"):
            client.put_object(Bucket=s3.bucket, Key=key, Body=b"")
        client.put_object(Bucket=s3.bucket, Key="some/prefix-of-others/log/1", Body=b"")
    assert list(s3_store.list("")) == ["log/1"]
    assert list(s3_store.list("log/")) == ["log/1"]


def test_a_prefix_that_leaves_no_room_for_keys_is_refused(s3: S3, s3_store: Store) -> None:
    long = "/".join(["p" * 200] * 4)
    store = open_store(f"s3://{s3.bucket}/{long}")
    store.put("a", b"content")
    assert store.get("a") == b"content"
    with pytest.raises(Unusable, match=r"at most 1024 bytes.*Use a shorter prefix"):
        store.put("k" * 250, b"")


def does_not_know(header: str) -> OnRequest:
    """A server that refuses what has a header that it does not know."""

    def on_request(request: Request) -> Fault | None:
        known = not any(name.startswith(header) for name in request.headers)
        return None if known else Refuse(501, "NotImplemented", "A header is not implemented.")

    return on_request


def test_a_server_that_does_not_know_checksums_is_used_without(
    versitygw: S3Server, open_s3: OpenS3
) -> None:
    with S3Proxy(versitygw.port, does_not_know("x-amz-checksum")) as proxy:
        bucket = versitygw.make_bucket()
        with pytest.raises(Unusable, match="set AWS_REQUEST_CHECKSUM_CALCULATION=when_required"):
            check(open_s3(bucket, proxy.url), "probe")
        old = open_s3(bucket, proxy.url, AWS_REQUEST_CHECKSUM_CALCULATION="when_required")
        assert check(old, "probe").honours_condition


def test_a_server_that_refuses_conditions_is_refused(versitygw: S3Server, open_s3: OpenS3) -> None:
    with S3Proxy(versitygw.port, does_not_know("if-none-match")) as proxy:
        store = open_s3(versitygw.make_bucket(), proxy.url)
        with pytest.raises(Unusable, match=r"NotImplemented.*If-None-Match"):
            check(store, "probe")
        assert store.list("") == {}


def test_a_server_that_ignores_conditions_is_found(moto_server: S3Server, open_s3: OpenS3) -> None:
    with S3Proxy(moto_server.port, lambda _request: Ignore("If-None-Match")) as proxy:
        store = open_s3(moto_server.make_bucket(), proxy.url)
        assert not check(store, "probe").honours_condition
        assert store.list("") == {}
