"""The dashboards keep the rules of Grafana's dashboard-linter, and ask for nothing that is not exported.

Left out of its rules: that every query matches `job` and `instance`. What these dashboards are about
is a TrainingJob, whichever pod it is in.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import generate
import pytest
import yaml
from rendering import ROOT

from perdure.contract import metric_names as trainer
from perdure_operator.app import metric_names as operator

DASHBOARDS = {
    path.name: json.loads(path.read_text())
    for path in sorted((ROOT / "deploy/grafana").glob("*.json"))
}
PANELS = {
    f"{name}: {panel['title']}": panel
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
}
EXPRESSIONS = [target["expr"] for panel in PANELS.values() for target in panel["targets"]] + [
    mark["expr"] for dashboard in DASHBOARDS.values() for mark in dashboard["annotations"]["list"]
]
METRICS = {metric.name: metric for metric in (*operator.ALL, *trainer.ALL)}
SERIES = {"_bucket", "_sum", "_count"}
UNITS = {"none", "short", "s", "percentunit", "bytes", "Bps", "ops", "reqps"}
FROM_SCRAPE = {"namespace", "pod", trainer.TRAINING_JOB}

each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
each_panel = pytest.mark.parametrize("name", PANELS)
each_expression = pytest.mark.parametrize("expr", EXPRESSIONS)


def metric_of(series: str):
    """The metric that a series belongs to."""
    for end in SERIES:
        family = series.removesuffix(end)
        if family in METRICS and METRICS[family].kind == "histogram" and family != series:
            return METRICS[family]
    return METRICS[series]


def plain(expr: str) -> str:
    """With Grafana's variables filled in, as Prometheus gets it."""
    filled = expr.replace("$__rate_interval", "1m")
    return re.sub(r"\$(namespace|job)", "some", filled)


def test_there_is_a_dashboard_of_all_jobs_and_of_one():
    assert set(DASHBOARDS) == set(generate.DASHBOARDS)
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)
    assert len(PANELS) == sum(len(list(targets(d))) for d in DASHBOARDS.values())


def targets(dashboard):
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


@each_dashboard
def test_the_data_source_is_a_variable(name):
    first = DASHBOARDS[name]["templating"]["list"][0]
    assert (first["type"], first["name"], first["label"]) == (
        "datasource",
        "datasource",
        "Data source",
    )


@each_dashboard
def test_variables_are_asked_for_again_when_the_time_range_changes(name):
    for variable in DASHBOARDS[name]["templating"]["list"][1:]:
        assert (variable["type"], variable["refresh"]) == ("query", 2)
        assert variable["datasource"]["uid"] == "${datasource}"
        metric = re.match(r"label_values\((\w+)", variable["definition"])
        assert metric is not None
        assert metric[1] in METRICS


@each_dashboard
def test_every_variable_is_used_and_every_one_used_is_there(name):
    text = json.dumps([DASHBOARDS[name]["panels"], DASHBOARDS[name]["annotations"]])
    known = {variable["name"] for variable in DASHBOARDS[name]["templating"]["list"]}
    expressions = " ".join(re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', text))
    used = set(re.findall(r"\$\{?([a-z]\w*)", expressions + ' "uid": "${datasource}"'))
    assert used == known


@each_dashboard
def test_a_dashboard_is_not_edited_in_place(name):
    assert DASHBOARDS[name]["editable"] is False
    assert DASHBOARDS[name]["description"].endswith(".")


@each_dashboard
def test_panels_do_not_overlap_and_stay_inside(name):
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells


@each_dashboard
def test_ids_and_titles_are_unique(name):
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = [panel["title"] for panel in panels if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)


@each_panel
def test_a_panel_says_what_it_shows_and_in_which_unit(name):
    panel = PANELS[name]
    assert panel["title"][0].isupper()
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@each_panel
def test_a_panel_asks_the_chosen_data_source(name):
    panel = PANELS[name]
    assert panel["targets"]
    assert all(t["datasource"]["uid"] == "${datasource}" for t in (panel, *panel["targets"]))
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@each_panel
def test_lines_of_one_graph_can_be_told_apart(name):
    panel = PANELS[name]
    if panel["type"] == "timeseries":
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert all(legends)
        assert len(set(legends)) == len(legends)


@each_expression
def test_queries_name_metrics_that_exist(expr):
    series = set(re.findall(r"\bperdure_\w+", expr))
    assert series
    for name in series:
        metric_of(name)


@each_expression
def test_queries_name_labels_that_exist(expr):
    for series, matchers in re.findall(r"\b(perdure_\w+)\{([^}]*)\}", expr):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert labels <= {*metric_of(series).labels, *FROM_SCRAPE}, series


@each_expression
def test_counters_are_seen_by_their_growth_and_gauges_are_not(expr):
    grown = set(re.findall(r"(?:rate|increase)\((perdure_\w+)", expr))
    total = "sum(perdure_job_retries_total"  # the count since the run's begin is what is meant
    for name in set(re.findall(r"\bperdure_\w+", expr)):
        counts = metric_of(name).kind in {"counter", "histogram"}
        assert (name in grown) is counts or expr.startswith(total), name


@each_expression
def test_growth_is_seen_over_grafanas_own_interval(expr):
    for function, window in re.findall(r"(rate|increase)\([^\[]*\[([^\]]+)\]", expr):
        assert window == "$__rate_interval", function


def test_prometheus_can_read_every_query(tmp_path):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool reads the queries: install Prometheus (Debian: prometheus)")
    rules = [{"record": f"q:{i}", "expr": plain(expr)} for i, expr in enumerate(EXPRESSIONS)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    run = subprocess.run(
        [program, "check", "rules", "--lint=none", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr + run.stdout
    assert f"{len(EXPRESSIONS)} rules found" in run.stdout
