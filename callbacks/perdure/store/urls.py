"""From a URL to a store."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from perdure.contract.environment import SSE, Encryption
from perdure.store.interface import Store
from perdure.store.keys import check_key
from perdure.store.local import LocalStore
from perdure.store.timeouts import Timeouts

SCHEMES = ("s3", "file")
_CREDENTIALS = re.compile(r"^([a-z0-9+.-]*://)?.*@", re.DOTALL | re.IGNORECASE)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def open_store(url: str, timeouts: Timeouts | None = None) -> Store:
    """The store at `url`: s3://bucket/prefix or file:///folder. Nothing is asked of it yet.

    Raises:
        ValueError: the URL is of no store that Perdure knows.
        InvalidSetting: the environment asks for an encryption that it cannot ask for.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        _refuse(url, _scheme_hint(_without_credentials(url)))
    if "?" in rest or "#" in rest:
        _refuse(url, "A URL of a store has neither '?' nor '#'.")
    return (
        _open_file(url, rest) if scheme == "file" else _open_s3(url, rest, timeouts or Timeouts())
    )


def _open_file(url: str, rest: str) -> Store:
    path = unquote(rest.removeprefix("localhost") if rest.startswith("localhost/") else rest)
    if not path.startswith("/"):
        shown = unquote(_without_credentials(url).removeprefix("file://"))
        hint = f"Did you mean {Path(shown).absolute().as_uri()}?" if shown else ""
        _refuse(url, f"A folder's path is absolute, after three slashes. {hint}")
    if path.strip("/") == "" or "\0" in path:
        _refuse(url, "The root of the file system is no folder for a store.")
    return LocalStore(Path(path))


def _open_s3(url: str, rest: str, timeouts: Timeouts) -> Store:
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.rstrip("/")
    if "@" in rest:  # a secret key may have slashes
        _refuse(url, "Credentials are never part of the URL: set AWS_ACCESS_KEY_ID and its kind.")
    if not _BUCKET.fullmatch(bucket):
        _refuse(url, "A bucket's name has 3 to 63 lower-case letters, digits, '.' and '-'.")
    if prefix:
        try:
            check_key(prefix)
        except ValueError as error:
            _refuse(url, f"The prefix cannot be used: {error}")
    from perdure.store.s3 import S3Store  # boto3 and obstore: only for those who use them

    return S3Store(bucket, prefix, timeouts, Encryption.parse(os.environ.get(SSE, "")))


def _scheme_hint(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        rest = url
        return f"Did you mean {Path(rest).expanduser().absolute().as_uri()}?" if rest else ""
    if scheme.lower() in ("http", "https"):
        host, _, path = rest.partition("/")
        return (
            f"For a server of your own, set AWS_ENDPOINT_URL={scheme}://{host}; "
            f"did you mean s3://{path or 'bucket/prefix'}?"
        )
    close = difflib.get_close_matches(scheme.lower(), SCHEMES, n=1, cutoff=0.6)
    return (
        f"Did you mean {close[0]}://{rest}?"
        if close
        else "Other kinds of stores are not supported."
    )


def _without_credentials(url: str) -> str:
    return _CREDENTIALS.sub(r"\1", url)


def _refuse(url: str, hint: str) -> NoReturn:
    shown = _CREDENTIALS.sub(r"\1...@", url)
    raise ValueError(
        f"Expected s3://bucket/prefix or file:///folder. Received: {shown!r}. {hint}".rstrip()
    )
