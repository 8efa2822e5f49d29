"""The table that every benchmark prints and keeps in results/NAME.json: ours beside a peer's, and the ratio."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One thing measured for both in the same run."""

    what: str
    unit: str
    ours: float
    peer: float
    peer_name: str

    @property
    def ratio(self) -> float:
        """Ours in terms of the peer's."""
        return self.ours / self.peer


def write(name: str, rows: Sequence[Row], settings: Mapping[str, object]) -> None:
    """Print the table and write results/NAME.json."""
    print(f"{'':60} {'unit':>20} {'ours':>10} {'peer':>10} {'ratio':>7}  peer")
    for row in rows:
        print(
            f"{row.what:60} {row.unit:>20} {row.ours:10.4g} {row.peer:10.4g} {row.ratio:7.2f}  "
            f"{row.peer_name}"
        )
    document = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        **settings,
        "rows": [{**asdict(row), "ratio": round(row.ratio, 4)} for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
