"""The one hash of the project: names of chunks, checksums of tensors, digests of results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def digest(data: bytes | memoryview) -> str:
    """BLAKE2b with 20 bytes, in hex."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def digest_of(parts: Iterable[str]) -> str:
    """The digest of a sequence of strings; where one ends and the next begins matters."""
    return digest(json.dumps(list(parts)).encode())


def canonical(document: Any) -> bytes:
    """The one encoding of a JSON document that checksums are taken over."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
