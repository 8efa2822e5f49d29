"""Metric names keep Prometheus' rules."""

from __future__ import annotations

import re

import pytest
from prometheus_client.metrics_core import METRIC_TYPES

from perdure.contract import metric_names
from perdure.contract.metric_names import MetricName

each = pytest.mark.parametrize("metric", metric_names.ALL, ids=lambda metric: metric.name)


def test_names_are_unique():
    names = [metric.name for metric in metric_names.ALL]
    assert len(set(names)) == len(names) > 10


@each
def test_name(metric: MetricName):
    assert re.fullmatch(r"perdure_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.kind in METRIC_TYPES


@each
def test_counters_and_only_they_end_in_total(metric: MetricName):
    assert (metric.kind == "counter") is metric.name.endswith("_total")


@each
def test_help_is_one_sentence(metric: MetricName):
    assert re.fullmatch(r"[A-Z][^\n]*[^.\s]\.", metric.help)


@each
def test_labels(metric: MetricName):
    assert len(set(metric.labels)) == len(metric.labels)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in metric.labels)
