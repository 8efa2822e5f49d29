"""Which answers of S3 may change by waiting, and which never."""

from __future__ import annotations

import pytest
from botocore import exceptions as botocore
from obstore import exceptions as obstore

from perdure.store import Expired, Missing, StoreError, Unavailable, Unusable
from perdure.store.s3_errors import Answer, of_answer, store_error

ANSWERS: list[tuple[int, str, type[StoreError]]] = [
    (404, "NoSuchKey", Missing),
    (404, "NoSuchBucket", Unusable),
    (404, "", Unavailable),
    (
        412,
        "PreconditionFailed",
        Unavailable,
    ),  # of a write with a condition: Exists, see S3Store.create
    (409, "ConditionalRequestConflict", Unavailable),
    (409, "OperationAborted", Unavailable),
    (403, "AccessDenied", Unusable),
    (403, "", Unusable),
    (403, "InvalidAccessKeyId", Unusable),
    (403, "SignatureDoesNotMatch", Unusable),
    (403, "RequestTimeTooSkewed", Unavailable),
    (400, "ExpiredToken", Expired),
    (403, "ExpiredTokenException", Expired),
    (400, "BadDigest", Unavailable),
    (400, "XAmzContentChecksumMismatch", Unavailable),
    (400, "XAmzContentSHA256Mismatch", Unavailable),
    (400, "IncompleteBody", Unavailable),
    (507, "XMinioStorageFull", Unavailable),
    (400, "RequestTimeout", Unavailable),
    (400, "InvalidArgument", Unusable),
    (400, "AuthorizationHeaderMalformed", Unusable),
    (301, "PermanentRedirect", Unusable),
    (429, "", Unavailable),
    (500, "InternalError", Unavailable),
    (501, "NotImplemented", Unusable),
    (502, "", Unavailable),
    (503, "SlowDown", Unavailable),
    (504, "", Unavailable),
]


@pytest.mark.parametrize(("status", "code", "meaning"), ANSWERS)
def test_answers(status: int, code: str, meaning: type[StoreError]) -> None:
    assert type(of_answer(Answer(status, code, "A message"), "to read it", "a")) is meaning


@pytest.mark.parametrize(("status", "code", "meaning"), ANSWERS)
def test_both_clients_answers_mean_the_same(
    status: int, code: str, meaning: type[StoreError]
) -> None:
    fields = {"Code": code or str(status), "Message": "A message"}
    response = {"Error": fields, "ResponseMetadata": {"HTTPStatusCode": status}}
    said = f"<Error><Code>{code}</Code><Message>A message</Message></Error>" if code else "<html/>"
    text = f"Error performing PUT - Server returned non-2xx status code: {status} X: {said}"
    errors = [botocore.ClientError(response, "PutObject"), obstore.GenericError(text)]
    meanings = [store_error(error, "to write it", "a") for error in errors]
    assert [type(each) for each in meanings] == [meaning, meaning]
    if code:
        assert str(meanings[0]) == str(meanings[1])


def test_a_refusal_says_expected_received_and_what_to_do() -> None:
    error = of_answer(Answer(404, "NoSuchBucket", "It does not exist"), "to read s3://b/a", "a")
    assert str(error) == (
        "Expected to read s3://b/a. Received: NoSuchBucket: It does not exist (status 404). "
        "Create the bucket, or correct the store's URL or the endpoint."
    )


@pytest.mark.parametrize(
    ("error", "meaning", "part"),
    [
        (
            botocore.EndpointConnectionError(endpoint_url="http://h"),
            Unavailable,
            "Could not connect",
        ),
        (botocore.ReadTimeoutError(endpoint_url="http://h"), Unavailable, "Read timeout"),
        (
            botocore.CredentialRetrievalError(provider="p", error_msg="m"),
            Unavailable,
            "Error when retrieving",
        ),
        (
            botocore.PartialCredentialsError(provider="env", cred_var="x"),
            Unusable,
            "Correct the AWS settings",
        ),
        (botocore.ProfileNotFound(profile="p"), Unusable, "The config profile (p)"),
        (
            botocore.SSLError(endpoint_url="h", error="CERTIFICATE_VERIFY_FAILED"),
            Unusable,
            "AWS_CA_BUNDLE",
        ),
        (
            obstore.GenericError("x - HTTP error: invalid peer certificate"),
            Unusable,
            "AWS_CA_BUNDLE",
        ),
        (PermissionError(13, "Permission denied", "/token"), Unavailable, "/token"),
    ],
)
def test_failures_without_an_answer(error: Exception, meaning: type[StoreError], part: str) -> None:
    received = store_error(error, "to read it", "a")
    assert type(received) is meaning
    assert part in str(received)


def test_a_mistake_in_the_program_is_not_hidden() -> None:
    assert store_error(TypeError("a bytes-like object is required"), "to write it", "a") is None


def test_long_answers_are_cut() -> None:
    text = f"status code: 400 Bad Request: <Code>Odd</Code><Message>{'word ' * 1000}</Message>"
    assert len(str(store_error(obstore.GenericError(text), "to write it", "a"))) < 600
