"""Compression of chunks, for slow links only.

float32 weights become some 15 to 20 % smaller at some 150 MB/s and core: on a fast link that is slower
than sending them as they are, and takes the time from the training. docs/checkpoints.md has the figures
under "Compression". Bytes of equal significance are put together first, which nearly doubles what is saved.
"""

from __future__ import annotations

import numpy as np
import zstandard

from perdure.lineage.table import Damaged

LEVEL = 1
SLOW_BYTES_PER_SECOND = 16e6  # below, sending takes longer than compressing by far
WORTH = 0.95  # what is hardly smaller is sent as it is, and read without work


def is_slow(bytes_per_second: float | None) -> bool:
    """Whether the link is so slow that compressing is worth the time; unmeasured it is not."""
    return bytes_per_second is not None and bytes_per_second < SLOW_BYTES_PER_SECOND


def compress(data: bytes | memoryview, item_bytes: int) -> tuple[str, bytes | memoryview]:
    """The encoding's name and the encoded bytes of elements of `item_bytes`; unchanged if not worth it."""
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(_shuffle(data, item_bytes))
    if len(packed) > WORTH * len(data):
        return "", data
    return f"zstd{item_bytes}", packed


def decompress(encoding: str, data: bytes | memoryview, size: int) -> bytes | memoryview:
    """The `size` bytes that `data` stands for; never more are made.

    Raises:
        Damaged: it does not stand for so many bytes, or the encoding is not known.
    """
    if encoding == "":
        return data
    name, item_bytes = encoding[:4], encoding[4:]
    if name != "zstd" or not item_bytes.isdecimal():
        raise Damaged(f"its encoding {encoding!r} is not known")
    try:
        if zstandard.frame_content_size(data) != size:
            raise Damaged(f"its compressed bytes are not of {size} bytes")
        plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise Damaged(f"its compressed bytes cannot be read: {error}") from error
    return _unshuffle(plain, int(item_bytes))


def _shuffle(data: bytes | memoryview, item_bytes: int) -> bytes | memoryview:
    if item_bytes == 1 or len(data) % item_bytes:
        return data
    return memoryview(np.frombuffer(data, np.uint8).reshape(-1, item_bytes).T.tobytes())


def _unshuffle(data: bytes, item_bytes: int) -> bytes | memoryview:
    if item_bytes == 1 or len(data) % item_bytes:
        return data
    return memoryview(np.frombuffer(data, np.uint8).reshape(item_bytes, -1).T.tobytes())
