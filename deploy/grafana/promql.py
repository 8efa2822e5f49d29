"""PromQL from the metrics' names, so that no query can name what is not exported."""

from __future__ import annotations

from perdure.contract.metric_names import MetricName


def of(metric: MetricName, *matchers: str) -> str:
    """A selector of `metric` with these label matchers."""
    return f"{metric.name}{{{', '.join(matchers)}}}" if matchers else metric.name


def rate(metric: MetricName, *matchers: str) -> str:
    """How fast a counter grows, per second."""
    return f"rate({of(metric, *matchers)}[$__rate_interval])"


def increase(metric: MetricName, *matchers: str) -> str:
    """By how much a counter has grown since the point before."""
    return f"increase({of(metric, *matchers)}[$__rate_interval])"


def quantile(share: float, metric: MetricName) -> str:
    """A quantile of a histogram."""
    return (
        f"histogram_quantile({share}, sum by (le) (rate({metric.name}_bucket[$__rate_interval])))"
    )


def by(label: str, expr: str) -> str:
    """The sum for each value of `label`."""
    return f"sum by ({label}) ({expr})"
