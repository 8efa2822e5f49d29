"""What can go wrong between us and the API server, by what a caller can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

MESSAGE_LIMIT = 1000


class ConfigError(Exception):
    """There is no usable way to an API server; the message says what was expected."""


class ApiError(Exception):
    """An answer that is not a success. `status` is 0 where there was no answer."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(
            f"{message} ({reason})" if status == 0 else f"{message} ({status} {reason})"
        )
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(ApiError):
    """There is no such object, or no such kind of object."""


class Conflict(ApiError):
    """Somebody has changed the object, or it is another one of the same name: look again."""


class AlreadyExists(ApiError):
    """An object of that name is there."""


class Gone(ApiError):
    """The wanted history is no longer kept: list anew."""


class Forbidden(ApiError):
    """RBAC, a quota, an admission policy or a namespace that is going refuses it; the message says which."""


class Unauthorized(ApiError):
    """The API server does not know who we are, not even after the token was read again."""


class Invalid(ApiError):
    """The object breaks its schema or a validation rule."""


class Unavailable(ApiError):
    """No answer, or one that another try may better.

    `retry_after` is how many seconds the server asks to wait, if it does. `maybe_done` says that a
    write may have happened all the same.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        maybe_done: bool = True,
    ) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after
        self.maybe_done = maybe_done


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}


def from_response(status: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """The error of an HTTP answer. Bodies that are no Status of the API never reach a message."""
    document = _status_document(body)
    seconds = _seconds(retry_after)
    return from_status({**document, "code": status}, retry_after=seconds)


def from_status(document: Mapping[str, Any], retry_after: float | None = None) -> ApiError:
    """The error of a `Status` object, as answers and watch streams carry them."""
    status = int(document.get("code") or 500)
    reason = str(document.get("reason") or f"HTTP{status}")[:100]
    message = str(document.get("message") or "the API server gave no message")[:MESSAGE_LIMIT]
    if status == 429 or status >= 500:
        return Unavailable(
            status, reason, message, retry_after=retry_after, maybe_done=status != 429
        )
    if reason == "AlreadyExists":
        return AlreadyExists(status, reason, message)
    if _is_about_another_object(document):
        return Conflict(status, reason, message)
    return _BY_STATUS.get(status, ApiError)(status, reason, message)


def _is_about_another_object(document: Mapping[str, Any]) -> bool:
    """A patch that names a uid is refused as if it wanted to change it: 422, not 409."""
    causes = (document.get("details") or {}).get("causes") or ()
    return any(cause.get("field") == "metadata.uid" for cause in causes)


def unreachable(error: BaseException, *, sent: bool = True) -> Unavailable:
    """The error of a connection that failed, broke or stayed silent after the request was `sent`."""
    text = str(error) or type(error).__name__
    reason = "Timeout" if isinstance(error, TimeoutError) else "ConnectionFailed"
    message = f"the API server did not answer: {text[:MESSAGE_LIMIT]}"
    return Unavailable(0, reason, message, maybe_done=sent)


def _status_document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) and document.get("kind") == "Status" else {}


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; a date, which Kubernetes never sends, counts as none."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
