"""The metrics port: `GET /metrics` for Prometheus and `GET /status` for the operator and the runner."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from perdure.board import Board
from perdure.contract import metric_names as names
from perdure.contract.environment import METRICS_PORT
from perdure.contract.metric_names import MetricName
from perdure.contract.prices import Prices
from perdure.contract.status import Kind, Status
from perdure.interval import Interval
from perdure.saver import Saver
from perdure.store import Meter

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Observed(Protocol):
    """What is served of an attempt."""

    board: Board
    saver: Saver | None
    meter: Meter
    versions: dict[str, str]

    @property
    def prices(self) -> Prices | None:
        """What the store charges, where that is known."""

    @property
    def interval(self) -> Interval | None:
        """The interval in force, where it is counted in seconds."""

    @property
    def metrics_port(self) -> int:
        """Where to serve it; 0 for any free port."""


def start(attempt: Observed) -> None:
    """Serve the metrics port; an occupied one is a notice, never a failed training."""
    handler = type("Handler", (_Handler,), {"attempt": attempt, "registry": _registry(attempt)})
    try:
        server = _server(attempt.metrics_port, handler)
    except OSError as error:
        attempt.board.notice(
            Kind.METRICS_UNAVAILABLE,
            f"port {attempt.metrics_port} cannot be served ({error.strerror}); training goes on "
            f"without metrics and status. Set {METRICS_PORT} to a free port, or 0 for any",
        )
        return
    threading.Thread(target=server.serve_forever, name="perdure-metrics", daemon=True).start()


def _server(port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """In a pod on every address, of either family: the pod's own is what Prometheus and the operator
    come to. Elsewhere for this machine only. Kubelets set the variable in every container.
    """
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return _Server(("127.0.0.1", port), handler)
    return (
        _DualStack(("::", port), handler)
        if socket.has_dualstack_ipv6()
        else _Server(("", port), handler)
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Like the base class, which also asks DNS for the machine's name and waits for the answer."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


class _DualStack(_Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Take IPv4 too."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    attempt: Observed
    registry: CollectorRegistry

    def do_GET(self) -> None:
        """Answer one of the two pages; who has hung up meanwhile gets nothing, and the log neither."""
        with contextlib.suppress(ConnectionError):
            self._answer_page()

    def _answer_page(self) -> None:
        match self.path.split("?")[0]:
            case "/status":
                self._answer(self.attempt.board.status().to_json().encode(), "application/json")
            case "/metrics":
                self._answer(generate_latest(self.registry), METRICS_TYPE)
            case _:
                self.send_error(404, "expected /status or /metrics")

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Say nothing: the log is the training's."""


def _registry(attempt: Observed) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_StatusCollector(attempt))
    return registry


class _StatusCollector(Collector):
    """Metrics are made from the status at each scrape: one truth, nothing to keep in step."""

    def __init__(self, attempt: Observed) -> None:
        self._attempt = attempt

    def collect(self) -> Iterator[Metric]:
        """The families of `perdure.contract.metric_names`."""
        status = self._attempt.board.status()
        yield from (_family(name, value) for name, value in _from_status(status).items())
        yield from (_family(name, value) for name, value in self._measured().items())
        yield from self._metered()
        interval = self._attempt.interval
        if interval is not None:
            yield _labelled(names.CHECKPOINT_INTERVAL, {interval.bound: interval.seconds})
        yield _labelled(
            names.VALUE, {metric.name: float(metric.value) for metric in status.metrics}
        )
        yield _labelled(names.ACTIVITY_SECONDS, status.seconds)
        yield self._info(status)

    def _measured(self) -> dict[MetricName, float]:
        """What is no part of the status document."""
        values = {names.LAST_STEP_TIME: self._attempt.board.last_step_time}
        saver = self._attempt.saver
        if saver is not None:
            values |= _of_saves(saver)
        return values

    def _metered(self) -> Iterator[Metric]:
        """What went to and came from the store, and its price where the prices are known."""
        meter, prices = self._attempt.meter, self._attempt.prices
        requests = {str(kind): number for kind, number in meter.requests.items()}
        yield _labelled(names.STORE_REQUESTS, requests)
        yield _family(names.STORE_SENT, meter.sent_bytes)
        yield _family(names.STORE_RECEIVED, meter.received_bytes)
        if prices is not None:
            yield _family(names.STORE_PRICE, prices.of(requests, meter.sent_bytes))

    def _info(self, status: Status) -> Metric:
        family = GaugeMetricFamily(names.INFO.name, names.INFO.help, labels=names.INFO.labels)
        versions = self._attempt.versions
        labels = [status.job, str(status.attempt), versions["keras"], versions["tensorflow"]]
        family.add_metric(labels, 1)
        return family


def _from_status(status: Status) -> dict[MetricName, float]:
    checkpoint = status.checkpoint
    rate = next((m.value for m in status.metrics if m.name == "learning_rate"), None)
    return {
        names.STEPS: status.steps_trained,
        names.REPLAYED: status.steps_replayed,
        names.STEP: status.step,
        names.EPOCH: status.epoch,
        names.CHECKPOINTS: status.checkpoints,
        names.CHECKPOINT_STEP: checkpoint.step if checkpoint else 0,
        names.CHECKPOINT_TIME: _timestamp(checkpoint.time) if checkpoint else 0,
        names.CHECKPOINT_BYTES: checkpoint.bytes if checkpoint else 0,
        names.UNCOMMITTED_SINCE: _timestamp(status.uncommitted_since),
        names.LEARNING_RATE: float(rate) if rate is not None else float("nan"),
    }


def _of_saves(saver: Saver) -> dict[MetricName, float]:
    spent = saver.spending
    return {
        names.CHECKPOINT_FAILURES: saver.failures,
        names.CHECKPOINT_SENT: spent.sent_bytes,
        names.CHECKPOINT_DEDUPLICATED: spent.known_bytes,
        names.CHECKPOINT_BLOCKED: spent.blocked_seconds,
        names.CHECKPOINT_EXCESS: spent.excess_seconds,
        names.CHECKPOINT_SLOWED: spent.slowed_seconds,
        names.CHECKPOINT_DURATION: spent.last.seconds if spent.last else 0.0,
    }


def _timestamp(time: str | None) -> float:
    return datetime.fromisoformat(time).timestamp() if time else 0.0


def _family(name: MetricName, value: float) -> Metric:
    if name.kind == "counter":
        return CounterMetricFamily(name.name, name.help, value=value)
    return GaugeMetricFamily(name.name, name.help, value=value)


def _labelled(name: MetricName, values: Mapping[str, float]) -> Metric:
    cls = CounterMetricFamily if name.kind == "counter" else GaugeMetricFamily
    family = cls(name.name, name.help, labels=name.labels)
    for label, value in values.items():
        family.add_metric([label], value)
    return family
