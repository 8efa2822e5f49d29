"""The same colour for a phase in every panel."""

from __future__ import annotations

from grafana.model import Json

COLOURS = {
    "Running": "green",
    "Pending": "yellow",
    "Suspended": "blue",
    "Stopped": "purple",
    "Succeeded": "super-light-green",
    "Failed": "red",
}


def _override(phase: str, colour: str) -> Json:
    return {
        "matcher": {"id": "byName", "options": phase},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
    }


PHASE_COLOURS = tuple(_override(phase, colour) for phase, colour in COLOURS.items())
