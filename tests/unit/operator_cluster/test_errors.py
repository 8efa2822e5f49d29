"""What an answer means to the caller, and what of it may be said."""

from __future__ import annotations

import json

import pytest

from perdure_operator.cluster import errors
from perdure_operator.cluster.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", ApiError),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Unavailable),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (504, "Timeout", Unavailable),
    ],
)
def test_the_kind_follows_from_status_and_reason(code, reason, kind):
    body = json.dumps({"kind": "Status", "code": code, "reason": reason, "message": "why"})
    error = errors.from_response(code, body.encode())
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (code, reason, "why")
    assert str(error) == f"why ({code} {reason})"


def test_a_uid_that_is_not_the_objects_is_a_conflict():
    """A patch that names one is answered as if it wanted to change it."""
    details = {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}
    body = {"kind": "Status", "reason": "Invalid", "message": "immutable", "details": details}
    assert type(errors.from_response(422, json.dumps(body).encode())) is Conflict


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>s3cret</html>", id="not JSON"),
        pytest.param(b'["s3cret"]', id="not an object"),
        pytest.param(b'{"kind": "Secret", "message": "s3cret"}', id="not a Status"),
        pytest.param(b"", id="empty"),
    ],
)
def test_what_is_no_status_is_never_repeated(body):
    error = errors.from_response(502, body)
    assert isinstance(error, Unavailable)
    assert "s3cret" not in str(error)


def test_a_long_message_is_cut():
    body = json.dumps({"kind": "Status", "message": "x" * 100_000, "reason": "y" * 100_000})
    assert len(str(errors.from_response(422, body.encode()))) < 2000


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("-1", 0.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_retry_after(header, seconds):
    error = errors.from_response(429, b"", header)
    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds
    assert not error.maybe_done
