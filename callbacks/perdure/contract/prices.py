"""What a store charges, as the variable PERDURE_PRICES says it, in a currency that is the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from perdure.contract.environment import PRICES, InvalidSetting

GIB = 2**30


@dataclass(frozen=True)
class Prices:
    """Per 1000 requests that write or list, per 1000 that read, and per GiB sent. Deleting is free,
    as on S3.
    """

    write: float = 0.0
    read: float = 0.0
    sent: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Prices:
        """Parse such as `write=0.005,read=0.0004,sent=0.02`, each optional.

        Raises:
            InvalidSetting: it is something else.
        """
        match = re.fullmatch(_PRICES, text)
        if match is None:
            raise InvalidSetting(
                f"{PRICES}: expected any of 'write=0.005' and 'read=0.0004' (per 1000 requests) and "
                f"'sent=0.02' (per GiB), in this order, separated by ','. Received: {text!r}."
            )
        return cls(**{name: float(price or 0) for name, price in match.groupdict().items()})

    def of(self, requests: Mapping[str, int], sent_bytes: int) -> float:
        """The price of these requests (by kind: write, list, read, delete) and bytes."""
        writes = requests.get("write", 0) + requests.get("list", 0)
        reads = requests.get("read", 0)
        return (writes * self.write + reads * self.read) / 1000 + sent_bytes / GIB * self.sent


_PRICES = "(?=[a-z])" + "".join(
    rf"(?:(?:^|,){name}=(?P<{name}>\d{{1,9}}(?:\.\d+)?))?" for name in ("write", "read", "sent")
)
