"""Columns and sizes for a person's eyes."""

from __future__ import annotations

from collections.abc import Sequence

import click


def print_table(*rows: Sequence[str | int]) -> None:
    """Print rows in columns: those with numbers to the right, texts to the left."""
    columns = list(zip(*rows, strict=True))
    widths = [max(len(str(cell)) for cell in column) for column in columns]
    for row in rows:
        cells = [
            str(cell).rjust(width) if _is_of_numbers(column) else str(cell).ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _is_of_numbers(column: Sequence[str | int]) -> bool:
    return any(isinstance(cell, int) for cell in column)


def size(count: int) -> str:
    """A number of bytes in the largest unit that it fills."""
    number, units = float(count), ["kB", "MB", "GB", "TB"]
    unit = "B"
    while number >= 1000 and units:
        number, unit = number / 1000, units.pop(0)
    return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
