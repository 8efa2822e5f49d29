"""Close names for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def close_name(name: str, known: Iterable[str]) -> str:
    """` Did you mean '...'?` where a known name is close to `name`, else nothing."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.65)
    return f" Did you mean {folded[matches[0]]!r}?" if matches else ""
