"""Small pieces of what is said."""

from __future__ import annotations

from pathlib import Path


def counted(number: int, noun: str) -> str:
    """`1 step`, `2 steps`; a noun in -y gets -ies."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def shown_path(path: Path) -> str:
    """Relative where it is below the current directory: short, and the same on every machine."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def short_number(value: str) -> str:
    """A number of the training log with four digits."""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value
