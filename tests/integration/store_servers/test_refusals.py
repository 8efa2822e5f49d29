"""What can never work is told at once, with a sentence that says what to do and shows no secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import s3_server
from s3_server import S3, S3Server

from perdure.store import Store, Unavailable, Unusable, check, until_deadline

OPERATIONS: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("a"),
    "put": lambda store: store.put("a", b"content"),
    "create": lambda store: store.create("a", b"content"),
    "list": lambda store: store.list(""),
    "check": lambda store: check(store, "probe"),
}
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


def at_once(store: Store) -> Store:
    """A patient store that must not have to be."""

    def fail(error: Unavailable, _seconds: float) -> None:
        raise AssertionError(f"asked again after: {error}")

    return until_deadline(store, 60, on_retry=fail)


@each_operation
def test_no_such_bucket(
    s3: S3, open_s3: Callable[..., Store], operation: Callable[[Store], object]
) -> None:
    store = at_once(open_s3("no-such-bucket", s3.server.url))
    with pytest.raises(Unusable, match=r"s3://no-such-bucket/some/prefix") as caught:
        operation(store)
    assert "NoSuchBucket" in str(caught.value)
    assert "Create the bucket" in str(caught.value)


def test_a_large_write_is_refused_too(s3: S3, open_s3: Callable[..., Store]) -> None:
    """A server may answer and close before all is sent, and the answer be lost: a later try gets it."""
    store = until_deadline(open_s3("no-such-bucket", s3.server.url), 60)
    with pytest.raises(Unusable, match="NoSuchBucket"):
        store.put("a", bytes(20 * 1024 * 1024))


@each_operation
def test_wrong_secret_key(
    versitygw: S3Server, open_s3: Callable[..., Store], operation: Callable[[Store], object]
) -> None:
    wrong = "a-wrong-secret-that-no-message-may-show"
    store = open_s3(versitygw.make_bucket(), versitygw.url, AWS_SECRET_ACCESS_KEY=wrong)
    with pytest.raises(Unusable, match="SignatureDoesNotMatch") as caught:
        operation(at_once(store))
    assert "Check AWS_SECRET_ACCESS_KEY" in str(caught.value)
    assert caught.value.__suppress_context__, "the clients' own texts would be shown with it"
    for hidden in (wrong, s3_server.ACCESS_KEY, "StringToSign"):
        assert hidden not in str(caught.value)


@each_operation
def test_unknown_access_key(
    versitygw: S3Server, open_s3: Callable[..., Store], operation: Callable[[Store], object]
) -> None:
    store = open_s3(versitygw.make_bucket(), versitygw.url, AWS_ACCESS_KEY_ID="nobody")
    with pytest.raises(Unusable, match=r"(?i)access key id"):
        operation(at_once(store))


@each_operation
def test_no_credentials(
    s3: S3, open_s3: Callable[..., Store], operation: Callable[[Store], object]
) -> None:
    store = open_s3(s3.bucket, s3.server.url, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    with pytest.raises(Unusable, match="no AWS credentials"):
        operation(at_once(store))


@pytest.mark.usefixtures("versitygw")  # skips where it cannot be had
@pytest.mark.parametrize("name", ["put", "create", "check"])
def test_access_denied(open_s3: Callable[..., Store], tmp_path: Path, name: str) -> None:
    server = s3_server.versitygw(tmp_path, "--readonly")
    (tmp_path / "data" / "a-bucket").mkdir()
    server.start()
    try:
        with pytest.raises(Unusable, match="AccessDenied") as caught:
            OPERATIONS[name](at_once(open_s3("a-bucket", server.url)))
        assert "Allow this identity s3:GetObject" in str(caught.value)
    finally:
        server.stop()


def test_credentials_that_may_come_later_are_waited_for(
    s3: S3,
    open_s3: Callable[..., Store],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A pod's token may be written after the pod has begun."""
    file = tmp_path_factory.mktemp("aws") / "credentials"
    store = open_s3(
        s3.bucket, s3.server.url, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="",
        AWS_SHARED_CREDENTIALS_FILE=str(file), AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:9/",
    )  # fmt: skip
    with pytest.raises(Unavailable):
        store.put("a", b"content")
    file.write_text(
        f"[default]\naws_access_key_id={s3_server.ACCESS_KEY}\naws_secret_access_key={s3_server.SECRET_KEY}\n"
    )
    store.put("a", b"content")
    assert store.get("a") == b"content"


def test_a_token_file_that_is_not_there_yet_is_waited_for(
    s3: S3, open_s3: Callable[..., Store]
) -> None:
    store = open_s3(
        s3.bucket, s3.server.url, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="",
        AWS_WEB_IDENTITY_TOKEN_FILE="/no/such/token",
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/r",
    )  # fmt: skip
    with pytest.raises(Unavailable, match="/no/such/token"):
        store.put("a", b"content")


def test_an_unknown_profile(s3: S3, open_s3: Callable[..., Store]) -> None:
    with pytest.raises(Unusable, match="no-such-profile"):
        open_s3(s3.bucket, s3.server.url, AWS_PROFILE="no-such-profile").list("")


def test_an_endpoint_that_is_no_url(s3: S3, open_s3: Callable[..., Store]) -> None:
    with pytest.raises(Unusable, match="Invalid endpoint"):
        open_s3(s3.bucket, s3.server.url.removeprefix("http://")).put("a", b"")


def test_checksums_can_be_left_out_for_old_servers(s3: S3, open_s3: Callable[..., Store]) -> None:
    store = open_s3(s3.bucket, s3.server.url, AWS_REQUEST_CHECKSUM_CALCULATION="when_required")
    store.put("a", bytes(20 * 1024 * 1024))
    assert store.get("a") == bytes(20 * 1024 * 1024)
