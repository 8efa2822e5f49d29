"""That both clients are configured alike, from boto3's own settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import s3_server
from s3_server import S3Server

from perdure.contract.environment import Encryption
from perdure.store import Timeouts
from perdure.store.s3_clients import Clients, home_region


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in s3_server.credentials("http://s3.example.com:9000").items():
        monkeypatch.setenv(name, value)


def config(bucket: str = "a-bucket") -> dict[str, Any]:
    return {**clients(bucket).made().writing().config}


def clients(bucket: str = "a-bucket", sse: str = "") -> Clients:
    return Clients(bucket, Timeouts(), Encryption.parse(sse))


def test_an_endpoint_of_ones_own_is_asked_by_path() -> None:
    settings = config()
    assert settings["endpoint_url_s3"] == "http://s3.example.com:9000"
    assert settings["virtual_hosted_style_request"] in (False, "false")
    assert settings["region"] == "us-east-1"


def test_the_endpoint_for_s3_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.other.example.com")
    assert config()["endpoint_url_s3"] == "https://s3.other.example.com"


def test_a_profile_gives_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        "[profile p]\nregion = eu-north-1\naws_access_key_id = a\naws_secret_access_key = b\n"
        "endpoint_url = https://s3.example.org\ns3 =\n  addressing_style = virtual\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "p")
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ):
        monkeypatch.delenv(name)
    settings = config()
    assert settings["endpoint_url_s3"] == "https://a-bucket.s3.example.org"
    assert settings["virtual_hosted_style_request"] in (True, "true")
    assert settings["region"] == "eu-north-1"


@pytest.mark.parametrize(
    ("bucket", "endpoint"),
    [
        ("a-bucket", "https://a-bucket.s3.eu-west-1.amazonaws.com"),
        ("a.b", "https://s3.eu-west-1.amazonaws.com"),
    ],
)
def test_aws_is_asked_by_host_in_the_buckets_region(
    bucket: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr(
        "perdure.store.s3_clients.home_region", lambda _client, _bucket: "eu-west-1"
    )
    settings = config(bucket)
    assert settings["endpoint_url_s3"] == endpoint
    assert settings["region"] == "eu-west-1"


def test_a_bucket_names_its_region(moto_server: S3Server) -> None:
    client = moto_server.client()
    client.create_bucket(
        Bucket="in-eu-west-1", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    assert home_region(client, "in-eu-west-1") == "eu-west-1"
    assert home_region(client, "no-such-bucket") is None
    client.close()


def test_credentials_in_the_endpoint_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://someone:a-secret@s3.example.com")
    made = clients()
    made.made()
    assert made.where == " at http://s3.example.com"


@pytest.mark.parametrize(
    ("sse", "of_obstore", "of_botocore"),
    [
        ("", {}, {}),
        ("AES256", {"server_side_encryption": "AES256"}, {"ServerSideEncryption": "AES256"}),
        (
            "aws:kms:a-key",
            {"server_side_encryption": "aws:kms", "sse_kms_key_id": "a-key"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "a-key"},
        ),
    ],
)
def test_both_clients_ask_for_the_encryption(
    sse: str, of_obstore: dict[str, str], of_botocore: dict[str, str]
) -> None:
    made = clients(sse=sse)
    asked = {
        name.removeprefix("aws_"): value for name, value in made.made().writing().config.items()
    }
    assert {n: v for n, v in asked.items() if "encryption" in n or "kms" in n} == of_obstore
    assert made.encrypted == of_botocore


def test_forgotten_clients_are_made_anew_with_what_the_environment_says_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = clients()
    before = made.made()
    assert made.made() is before
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.other.example.com")
    made.forget(before)
    made.made()
    assert made.where == " at http://s3.other.example.com"


def test_many_requests_whose_credentials_have_expired_make_the_clients_anew_once() -> None:
    made = clients()
    expired = made.made()
    made.forget(expired)
    anew = made.made()
    made.forget(expired)
    assert made.made() is anew is not expired


def test_bytes_are_tried_once_and_only_reading_waits_for_the_next_ones() -> None:
    made = clients()
    for store, waits in ((made.made().reading(), True), (made.made().writing(), False)):
        assert store.retry_config is not None
        assert store.retry_config["max_retries"] == 0
        assert store.client_options is not None
        assert ("read_timeout" in store.client_options) is waits
        assert "timeout" in store.client_options
