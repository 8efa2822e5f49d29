"""What S3, boto3 and obstore fail with, in the words of `errors`.

The clients' own texts are not passed on as they are: they repeat requests, with access keys and
what was signed. Of a server's answer, its code and its message are.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from botocore import exceptions as botocore
from obstore import exceptions as obstore

from perdure.store.errors import Expired, Missing, StoreError, Unavailable, Unusable

_TRANSIENT_STATUS = {408, 409, 412, 425, 429}
_TRANSIENT_CODES = {
    "IDPCommunicationError", "InternalError", "RequestExpired", "RequestLimitExceeded",
    "RequestTimeTooSkewed", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
    "ThrottlingException", "TooManyRequestsException",
}  # fmt: skip
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_CHANGED_ON_THE_WAY = {
    "BadDigest", "ContentSHA256Mismatch", "IncompleteBody", "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}  # fmt: skip
_NEVER_IN_BOTO3 = (
    botocore.ConfigNotFound, botocore.ConfigParseError, botocore.InvalidConfigError,
    botocore.InvalidRegionError, botocore.NoRegionError, botocore.ParamValidationError,
    botocore.PartialCredentialsError, botocore.ProfileNotFound,
)  # fmt: skip
_BAD_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "invalid peer certificate")
_CURES = {
    "AccessDenied": (
        "Allow this identity s3:GetObject, s3:PutObject and s3:DeleteObject below the prefix and "
        "s3:ListBucket on the bucket."
    ),
    "AuthorizationHeaderMalformed": "Set AWS_DEFAULT_REGION to the bucket's region.",
    "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID and whether the endpoint is its own.",
    "NoSuchBucket": "Create the bucket, or correct the store's URL or the endpoint.",
    "PermanentRedirect": "Set AWS_DEFAULT_REGION to the bucket's region.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY.",
}
_OLD_SERVER = (
    "If the server does not know today's checksums, set "
    "AWS_REQUEST_CHECKSUM_CALCULATION=when_required; If-None-Match and what PERDURE_SSE asks for it "
    "has to know."
)


@dataclass(frozen=True)
class Answer:
    """A server's refusal. A server that is none of S3 gives no code."""

    status: int
    code: str = ""
    message: str = ""

    def __str__(self) -> str:
        said = f"{self.code}: {self.message}" if self.message else self.code
        return f"{said or 'no answer of an S3 server'} (status {self.status})"


def store_error(error: Exception, asked: str, key: str) -> StoreError | None:
    """What `error` means for the one who asked for `key`; None: it is a mistake in the program."""
    if isinstance(error, botocore.ClientError):
        return of_answer(_answer_to_boto3(error), asked, key)
    if isinstance(error, (obstore.BaseError, FileNotFoundError)):
        return _of_obstore(str(error), asked, key)
    if isinstance(error, botocore.NoCredentialsError):
        return _no_credentials(error, asked)
    if isinstance(error, (*_NEVER_IN_BOTO3, ValueError)):
        return Unusable(
            f"Expected {asked}. Received: {_short(str(error))}. Correct the AWS settings."
        )
    if isinstance(error, (botocore.BotoCoreError, botocore.HTTPClientError, OSError)):
        return _without_answer(str(error), asked)
    return None


def of_answer(answer: Answer, asked: str, key: str) -> StoreError:
    """What an answer of the server means.

    A 404 without a code of S3 is not taken for "no such object": it comes from a proxy whose server
    is away, and a lineage must not look empty because of it.
    """
    if answer.code == "NoSuchKey":
        return Missing(key)
    text = f"Expected {asked}. Received: {answer}."
    cure = _CURES.get(answer.code, "")
    if answer.code in _EXPIRED:
        return Expired(f"{text} Renew the credentials where they come from.")
    if _is_transient(answer):
        return Unavailable(f"{text} {cure}".rstrip())
    return Unusable(f"{text} {cure or _cure_by_status(answer)}".rstrip())


def _is_transient(answer: Answer) -> bool:
    if answer.code in _TRANSIENT_CODES | _CHANGED_ON_THE_WAY or answer.status in _TRANSIENT_STATUS:
        return True
    if answer.status == 404:
        return answer.code == ""
    return answer.status >= 500 and answer.status != 501


def _cure_by_status(answer: Answer) -> str:
    if answer.status in (400, 501):
        return _OLD_SERVER
    return _CURES["AccessDenied"] if answer.status in (401, 403) else ""


def _answer_to_boto3(error: botocore.ClientError) -> Answer:
    fields = error.response.get("Error", {})
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(fields.get("Code", ""))
    if code.isdecimal():  # botocore's stand-in where the answer has none
        return Answer(status)
    return Answer(status, code, _short(str(fields.get("Message", ""))))


def _of_obstore(text: str, asked: str, key: str) -> StoreError:
    """obstore gives the server's answer as text only."""
    text = text.partition("\n\nDebug source")[0] + _kind(text)
    status = re.search(r"status code: (\d{3})", text)
    if status is None:
        return _without_answer(text.rpartition(" - ")[2], asked)
    return of_answer(
        Answer(int(status[1]), _element("Code", text), _element("Message", text)), asked, key
    )


def _kind(text: str) -> str:
    """What kind of failure it was below HTTP; only the debugging text says it."""
    kind = re.search(r"HttpError \{\s*kind: (\w+)", text)
    return f" ({kind[1]})" if kind else ""


def _element(name: str, text: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    return _short(html.unescape(found[1])) if found else ""


def _without_answer(text: str, asked: str) -> StoreError:
    if any(sign in text for sign in _BAD_CERTIFICATE):
        return Unusable(
            f"Expected {asked}. Received: a certificate that is not trusted. Set AWS_CA_BUNDLE to "
            f"the file of the authority that signed it."
        )
    return Unavailable(f"Expected {asked}. Received: no answer ({_short(text)}).")


def _no_credentials(error: Exception, asked: str) -> StoreError:
    """Credentials of a pod or virtual machine may come late; where none can, say so at once."""
    text = (
        f"Expected {asked}. Received: no AWS credentials, neither in the environment nor in a "
        f"profile nor from the platform. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a "
        f"profile or a service account's identity."
    )
    return Unavailable(text) if getattr(error, "may_come", False) else Unusable(text)


def _short(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= 300 else f"{line[:300]}..."
