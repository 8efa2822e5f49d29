"""The table that every benchmark prints and keeps in results/NAME.json: ours beside a peer's, and the ratio."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
BUSY = os.getloadavg()[0]  # of other work: read before the benchmark itself is part of it


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
    """Print the table and write results/NAME.json; `settings` are told beside the machine."""
    machine = "; ".join([_machine(), *(f"{key} {value}" for key, value in settings.items())])
    print(f"{machine}\n{'':64} {'unit':>18} {'ours':>10} {'peer':>10} {'ratio':>8}  peer")
    for row in rows:
        print(
            f"{row.what:64} {row.unit:>18} {row.ours:10.4g} {row.peer:10.4g} {row.ratio:8.3g}  "
            f"{row.peer_name}"
        )
    document = {"machine": machine, "rows": [_rounded(row) for row in rows]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def _rounded(row: Row) -> dict[str, object]:
    numbers = {"ours": row.ours, "peer": row.peer, "ratio": row.ratio}
    return {**asdict(row), **{key: float(f"{number:.4g}") for key, number in numbers.items()}}


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else "unknown CPU"
    busy = f"load average of other work before the start {BUSY:.1f}"
    return f"{os.cpu_count()} cores, {model}, CPU only; {busy}"
