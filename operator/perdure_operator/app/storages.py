"""What kopf would keep on the objects for change detection and retries, which are not its here."""

from __future__ import annotations

from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Nothing is remembered of an object. Without it kopf copies every object at every event, to
    compare it for handlers that we do not have: half of what an event costs.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Of no object is anything worth comparing."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Nothing is stored."""
