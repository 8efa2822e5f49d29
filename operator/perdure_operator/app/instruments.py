"""What the operator says of itself and of the jobs at GET /metrics."""

from __future__ import annotations

import importlib.metadata
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perdure.contract.metric_names import MetricName
from perdure_operator.app import metric_names as names
from perdure_operator.cluster.gather import Key
from perdure_operator.cluster.objects import Object
from perdure_operator.decide.observed import Seen
from perdure_operator.decide.types import Phase
from perdure_operator.model.status import JobStatus
from perdure_operator.model.times import epoch

_REPLACEMENT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Instruments:
    """Counts what the operator does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reconciles = Counter(
            names.RECONCILES.name.removesuffix("_total"),
            names.RECONCILES.help,
            names.RECONCILES.labels,
            registry=registry,
        )
        self._duration = Histogram(
            names.RECONCILE_DURATION.name, names.RECONCILE_DURATION.help, registry=registry
        )
        self._replacement = Histogram(
            names.REPLACEMENT_DURATION.name,
            names.REPLACEMENT_DURATION.help,
            buckets=_REPLACEMENT_BUCKETS,
            registry=registry,
        )
        self._gone: dict[Key, float] = {}

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A reconcile came to its end."""
        self._reconciles.labels(outcome).inc()
        self._duration.observe(seconds)

    def pod_gone(self, key: Key) -> None:
        """The pod of an attempt was seen to have ended."""
        self._gone.setdefault(key, time.monotonic())

    def started(self, seen: Seen) -> None:
        """The next attempt was created; a back-off before it is no delay of ours."""
        metadata = seen.job.metadata
        gone = self._gone.pop((metadata.namespace, metadata.name), None)
        if gone is not None and seen.status.next_attempt_time is None:
            self._replacement.observe(time.monotonic() - gone)

    def forget(self, key: Key) -> None:
        """The TrainingJob is gone, or nothing follows its pod."""
        self._gone.pop(key, None)


class JobsCollector(Collector):
    """The metrics of the jobs, from their statuses as they are at the scrape."""

    def __init__(
        self,
        jobs: Callable[[], Sequence[Object]],
        queue_depth: Callable[[], int],
        requests: Tally[tuple[str, int]],
    ) -> None:
        self._jobs = jobs
        self._queue_depth = queue_depth
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        """All families, each whole."""
        seen = [(raw, JobStatus.model_validate(raw.get("status", {}))) for raw in self._jobs()]
        yield _by_phase(seen)
        for metric, values in _OF_ONE_JOB.items():
            family = _family(metric)
            for raw, status in seen:
                labels = [raw["metadata"]["namespace"], raw["metadata"]["name"]]
                for more, value in values(raw, status):
                    family.add_metric([*labels, *more], value)
            yield family
        yield from self._of_the_operator()

    def _of_the_operator(self) -> Iterator[Metric]:
        depth = _family(names.QUEUE_DEPTH)
        depth.add_metric([], self._queue_depth())
        yield depth
        requests = _family(names.API_REQUESTS)
        for (verb, code), count in list(self._requests.items()):
            requests.add_metric([verb, str(code)], count)
        yield requests
        info = _family(names.BUILD_INFO)
        info.add_metric([importlib.metadata.version("perdure-operator")], 1)
        yield info


def _family(metric: MetricName) -> GaugeMetricFamily | CounterMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def _by_phase(seen: Sequence[tuple[Object, JobStatus]]) -> Metric:
    """Every phase of every namespace that has jobs, so that a phase that empties goes to 0."""
    family = _family(names.JOBS)
    counted = Tally((raw["metadata"]["namespace"], status.phase) for raw, status in seen)
    for namespace in sorted({raw["metadata"]["namespace"] for raw, _ in seen}):
        for phase in Phase:
            family.add_metric([namespace, phase], counted[namespace, phase])
    return family


Values = list[tuple[list[str], float]]


def _info(raw: Object, status: JobStatus) -> Values:
    spec = raw.get("spec", {})
    return [([str(spec.get("run", "1")), str(spec.get("image", ""))], 1)]


def _phases(raw: Object, status: JobStatus) -> Values:
    return [([phase], float(status.phase == phase)) for phase in Phase]


def _step(raw: Object, status: JobStatus) -> Values:
    return [([], status.progress.step)] if status.progress else []


def _planned_steps(raw: Object, status: JobStatus) -> Values:
    total = status.progress.total_steps if status.progress else None
    return [([], total)] if total else []


def _attempt(raw: Object, status: JobStatus) -> Values:
    return [([], status.attempt)]


def _retries(raw: Object, status: JobStatus) -> Values:
    retries = status.retries
    kinds = ("preemption", "infrastructure", "failure", "divergence")
    return [([kind], getattr(retries, kind)) for kind in kinds]


def _goodput(raw: Object, status: JobStatus) -> Values:
    percent = status.goodput.percent if status.goodput else None
    return [([], percent / 100)] if percent is not None else []


def _time(text: str | None) -> Values:
    return [([], epoch(text))] if text else []


_OF_ONE_JOB: dict[MetricName, Callable[[Object, JobStatus], Values]] = {
    names.JOB_INFO: _info,
    names.JOB_PHASE: _phases,
    names.JOB_STEP: _step,
    names.JOB_PLANNED_STEPS: _planned_steps,
    names.JOB_ATTEMPT: _attempt,
    names.JOB_RETRIES: _retries,
    names.JOB_GOODPUT: _goodput,
    names.JOB_CHECKPOINT_TIME: lambda _, s: _time(s.checkpoint.time if s.checkpoint else None),
    names.JOB_START_TIME: lambda _, s: _time(s.start_time),
    names.JOB_COMPLETION_TIME: lambda _, s: _time(s.completion_time),
}
