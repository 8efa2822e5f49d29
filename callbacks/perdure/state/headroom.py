"""Whether a GPU has room for the copies that a snapshot by reference leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perdure import keras_internals

FRAGMENTED = (
    0.05  # of a device's memory, which its allocator may be unable to hand out in one piece
)


def fits(needed: int, limit: int, peak: int, *, peak_has_copies: bool) -> bool:
    """Whether a second copy of `needed` bytes fits into a device beside what training takes.

    Args:
        needed: bytes of the variables on the device.
        limit: bytes that TensorFlow's allocator may take there.
        peak: the most that was in use at one time.
        peak_has_copies: whether a snapshot by reference was taken before, whose copies are in `peak`.
    """
    most = peak if peak_has_copies else peak + needed
    return most <= (1 - FRAGMENTED) * limit


class Headroom:
    """The room on the GPUs that hold `variables`; on a CPU memory is not limited by TensorFlow."""

    def __init__(self, variables: Sequence[Any]) -> None:
        self._needed: dict[str, int] = {}
        self._has_copies = False
        for variable in variables:
            if "GPU" in variable.device:
                size = variable.dtype.size * variable.shape.num_elements()
                self._needed[variable.device] = self._needed.get(variable.device, 0) + size

    def suffices(self) -> bool:
        """Whether a snapshot by reference can be taken now."""
        enough = all(
            fits(needed, *keras_internals.gpu_memory(device), peak_has_copies=self._has_copies)
            for device, needed in self._needed.items()
        )
        self._has_copies = self._has_copies or enough
        return enough
