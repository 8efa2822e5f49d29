"""Grafana's classic dashboard model as plain dictionaries: only what our dashboards use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

WIDTH = 24
SCHEMA_VERSION = 39
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of what it returns; an instant one returns the newest values."""

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True)
class Panel:
    """What a panel shows; `unit` is an id of Grafana's units."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()

    def document(self, number: int, x: int, y: int) -> Json:
        """The panel as Grafana has it."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [target(query, self.kind, i) for i, query in enumerate(self.queries)],
            "fieldConfig": {
                "defaults": {"unit": self.unit, "custom": self.custom, **self.defaults},
                "overrides": list(self.overrides),
            },
            "options": self.options,
            "transformations": list(self.transformations),
        }


@dataclass(frozen=True)
class Row:
    """A titled line with the panels below it."""

    title: str
    panels: tuple[Panel, ...]


def timeseries(title: str, description: str, unit: str, *queries: Query, **layout: Any) -> Panel:
    """Values over time."""
    return Panel(
        title,
        description,
        unit,
        queries,
        options={
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        },
        custom={"lineWidth": 1, "fillOpacity": 0, "showPoints": "auto"},
        **layout,
    )


def stacked(title: str, description: str, unit: str, *queries: Query, **layout: Any) -> Panel:
    """Values over time that add up."""
    panel = timeseries(title, description, unit, *queries, **layout)
    panel.custom.update({"fillOpacity": 40, "stacking": {"mode": "normal"}})
    return panel


def stat(title: str, description: str, unit: str, query: Query, **layout: Any) -> Panel:
    """The newest value, large."""
    text = layout.pop("text", "auto")
    return Panel(
        title,
        description,
        unit,
        (query,),
        kind="stat",
        options={
            "textMode": text,
            "colorMode": "value",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        },
        **{"width": 4, "height": 4, **layout},
    )


def target(query: Query, kind: str, index: int) -> Json:
    """A query as Grafana has it."""
    document: Json = {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
    }
    if query.instant:
        document |= {
            "instant": True,
            "range": False,
            "format": "table" if kind == "table" else "time_series",
        }
    return document


def laid_out(rows: Iterable[Row]) -> list[Json]:
    """The panels of `rows` from left to right, in lines that end where the next panel does not fit."""
    panels: list[Json] = []
    y = 0
    for row in rows:
        panels.append(_heading(row.title, len(panels) + 1, y))
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            panels.append(panel.document(len(panels) + 1, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return panels


def _heading(title: str, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def datasource() -> Json:
    """The variable by which a dashboard finds its Prometheus."""
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
    }


def variable(name: str, label: str, query: str, *, several: bool = False) -> Json:
    """A variable whose values a query of Prometheus gives, anew when the time range changes."""
    document: Json = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
    }
    if several:
        document |= {"allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return document


def annotation(name: str, expr: str, title: str) -> Json:
    """Marks in every graph at the times when `expr` has a value."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "orange",
        "expr": expr,
        "step": "30s",
        "titleFormat": title,
    }


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: list[Json],
    rows: Iterable[Row],
    annotations: Iterable[Json] = (),
) -> Json:
    """A whole dashboard."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["perdure"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [],
        "annotations": {"list": list(annotations)},
        "templating": {"list": [datasource(), *variables]},
        "panels": laid_out(rows),
    }
