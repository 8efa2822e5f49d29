"""The one form of a result: a table on the terminal and results/NAME.json, rows of ours beside a peer's."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One figure of ours and of a peer, in the same unit, measured in the same run."""

    what: str
    unit: str
    ours: float
    peer: float
    peer_name: str

    @property
    def ratio(self) -> float:
        """Ours by the peer's."""
        return self.ours / self.peer


def machine() -> str:
    """The machine, and how busy others keep it: to be called before anything is started."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = names[0] if names else "unknown CPU"
    busy = f"load average of other work before the start {os.getloadavg()[0]:.1f}"
    return f"{os.cpu_count()} cores, {model}, CPU only; {busy}"


def publish(name: str, on: str, rows: Sequence[Row]) -> None:
    """Print the table and write it; `on` is the machine."""
    print(on)
    for row in rows:
        print(
            f"{row.what:56} {row.ours:>10.4g} {row.peer:>10.4g} {row.unit:7} "
            f"x {row.ratio:<8.3g} {row.peer_name}"
        )
    document = {"machine": on, "rows": [_json(row) for row in rows]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def _json(row: Row) -> dict[str, object]:
    return {
        "what": row.what,
        "unit": row.unit,
        "ours": float(f"{row.ours:.4g}"),
        "peer": float(f"{row.peer:.4g}"),
        "peer_name": row.peer_name,
        "ratio": float(f"{row.ratio:.3g}"),
    }
