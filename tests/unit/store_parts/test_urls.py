"""Which URLs are stores, and what is said of the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perdure.store import open_store
from perdure.store.local import LocalStore


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://a-bucket", "s3://a-bucket"),
        ("s3://a-bucket/", "s3://a-bucket"),
        ("s3://a-bucket/some/prefix/", "s3://a-bucket/some/prefix"),
        ("file:///a/folder", "file:///a/folder"),
        ("file:///a/folder/", "file:///a/folder"),
        ("file://localhost/a/folder", "file:///a/folder"),
        ("file:///with%20a/space", "file:///with%20a/space"),
        ("file:///with a/space", "file:///with%20a/space"),
    ],
)
def test_stores(url: str, shown: str) -> None:
    assert open_store(url).url == shown


def test_a_file_url_is_decoded() -> None:
    store = open_store("file:///with%20a/space")
    assert isinstance(store, LocalStore)
    assert store.root == Path("/with a/space")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "Received: ''"),
        ("s3n://a-bucket/prefix", "Did you mean s3://a-bucket/prefix?"),
        ("s3a://a-bucket/prefix", "Did you mean s3://a-bucket/prefix?"),
        ("S3://a-bucket/prefix", "Did you mean s3://a-bucket/prefix?"),
        ("fiel:///a/folder", "Did you mean file:///a/folder?"),
        ("gs://a-bucket/prefix", "not supported"),
        (
            "https://s3.example.com/a-bucket",
            "set AWS_ENDPOINT_URL=https://s3.example.com; did you mean s3://a-bucket?",
        ),
        ("/a/folder", "Did you mean file:///a/folder?"),
        ("s3:/a-bucket", "Received: 's3:/a-bucket'"),
        ("file://a/folder", "absolute, after three slashes. Did you mean file:///"),
        ("file://", "absolute"),
        ("file:///", "root of the file system"),
        ("s3://", "3 to 63"),
        ("s3://Bucket", "3 to 63"),
        ("s3://a_bucket", "3 to 63"),
        ("s3://a-bucket/a//b", "The prefix cannot be used"),
        ("s3://a-bucket/../b", "The prefix cannot be used"),
        ("s3://a-bucket/prefix?region=x", "neither '?' nor '#'"),
        ("file:///a#b", "neither '?' nor '#'"),
    ],
)
def test_what_is_no_store(url: str, hint: str) -> None:
    with pytest.raises(ValueError, match="Expected s3://bucket/prefix or file:///folder") as caught:
        open_store(url)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "start", ["s3://", "s3n://", "https://", "gs://", "file://", "s3:/", "s3:", ""]
)
@pytest.mark.parametrize(
    "secret", ["a-secret", "a/se+cret", "a/@/secret", "/a-secret", "a\nsecret"]
)
@pytest.mark.parametrize("end", ["@a-bucket/prefix", "@a-bucket/a/prefix?x=1", "@", "@s3://b/p"])
def test_credentials_in_a_url_are_refused_and_not_shown(start: str, secret: str, end: str) -> None:
    with pytest.raises(ValueError, match="Expected") as caught:
        open_store(f"{start}AKIA:{secret}{end}")
    assert "cret" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


def test_credentials_that_are_left_out_of_the_hint_too() -> None:
    with pytest.raises(ValueError, match="Expected") as caught:
        open_store("https://AKIA:a/secret@s3.example.com/a-bucket")
    assert "AWS_ENDPOINT_URL=https://s3.example.com; did you mean s3://a-bucket?" in str(
        caught.value
    )


def test_an_at_sign_is_part_of_a_folder_and_of_no_prefix() -> None:
    assert open_store("file:///home/me@work/runs").url == "file:///home/me%40work/runs"
    with pytest.raises(ValueError, match="Credentials are never part of the URL"):
        open_store("s3://a-bucket/me@work")


def test_boto3_and_obstore_are_not_imported_for_a_folder() -> None:
    script = (
        "import sys; from perdure.store import open_store; open_store('file:///a');"
        "print([name for name in ('boto3', 'botocore', 'obstore') if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert shown.stdout == "[]\n"
