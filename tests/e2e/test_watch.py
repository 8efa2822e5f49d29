"""A real Prometheus scrapes a real run: each panel of the dashboards has something to show."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.access import Access
from cluster.processes import wait_for
from ground import TRAINING, Ground
from prometheus import INTERVAL_SECONDS, NotInstalled, Prometheus
from training import Training

ROOT = Path(__file__).parents[2]
NAME = "watched"
PANELS = {
    f"{path.stem}: {panel['title']}": [target["expr"] for target in panel["targets"]]
    for path in sorted((ROOT / "deploy/grafana").glob("*.json"))
    for panel in json.loads(path.read_text())["panels"]
    if panel["type"] != "row"
}
MARKS = [
    mark["expr"]
    for path in sorted((ROOT / "deploy/grafana").glob("*.json"))
    for mark in json.loads(path.read_text())["annotations"]["list"]
]


class Discovery:
    """Tells Prometheus of the cluster's pods, for as long as the block lasts."""

    def __init__(self, admin: Access, prometheus: Prometheus) -> None:
        self._admin, self._prometheus = admin, prometheus
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="discovery")

    def __enter__(self) -> None:
        self._running = self._pool.submit(self._run)

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._running.result()  # raises what it has failed with

    def _run(self) -> None:
        while not self._stopped.wait(1):
            self._prometheus.discover(self._admin.get("pods", "-A")["items"])


@dataclass(frozen=True)
class Watched:
    """A run that is over, as Prometheus has seen it."""

    prometheus: Prometheus
    start: float
    end: float
    status: dict[str, Any]

    def series(self, expr: str) -> list[dict[str, Any]]:
        """What `expr` gives over the whole run, with Grafana's variables filled in."""
        for variable, value in {
            "$__rate_interval": f"{4 * INTERVAL_SECONDS}s",
            "$namespace": TRAINING,
            "$job": NAME,
        }.items():
            expr = expr.replace(variable, value)
        return self.prometheus.range(expr, self.start, self.end)

    def values(self, expr: str) -> list[float]:
        """The finite values of all series."""
        numbers = [float(text) for series in self.series(expr) for _, text in series["values"]]
        return [number for number in numbers if math.isfinite(number)]


@pytest.fixture(scope="module")
def watched(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The digits example, evicted once, with Prometheus beside it from before its start."""
    try:
        prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"))
    except NotInstalled as error:
        pytest.skip(str(error))
    with ground.operator_pod(), prometheus, Discovery(ground.admin, prometheus):
        start = time.time()
        training = Training(ground.admin, TRAINING, NAME)
        training.apply(digits(ground))
        training.wait_steps(100)
        training.evict(training.running_pod())
        status = training.wait_end()
        assert status["phase"] == "Succeeded", training.describe()
        wait_for("the end to be scraped", lambda: is_succeeded(prometheus))
        end = time.time() + INTERVAL_SECONDS  # so that the newest scrape is in the range
        yield Watched(prometheus, start, end, status)
        ground.remove(training)


def digits(ground: Ground) -> dict[str, Any]:
    """The example's own manifest, with the image and the store of this cluster."""
    spec: dict[str, Any] = yaml.safe_load((ROOT / "deploy/examples/digits/job.yaml").read_text())[
        "spec"
    ]
    spec |= {"image": ground.digits_image, "imagePullPolicy": "Never"}
    spec["env"] = [
        *spec.get("env", []),
        {"name": "PERDURE_PRICES", "value": "write=0.005,sent=0.02"},
    ]
    spec["checkpoint"] |= {
        "store": ground.store,
        "credentialsSecret": ground.secret,
        "interval": {"mode": "Seconds", "value": 1},  # the dashboard shows one that has seconds
    }
    return spec


def is_succeeded(prometheus: Prometheus) -> bool:
    now = time.time()
    succeeded = f'perdure_job_phase{{training_job="{NAME}", phase="Succeeded"}} == 1'
    return bool(prometheus.range(succeeded, now - INTERVAL_SECONDS, now))


@pytest.mark.parametrize("panel", PANELS)
def test_each_query_of_a_panel_returns_data(watched, panel):
    for expr in PANELS[panel]:
        assert watched.values(expr), f"{panel} shows nothing: {expr}"


@pytest.mark.parametrize("expr", MARKS)
def test_the_eviction_is_marked(watched, expr):
    assert watched.values(expr)


def test_the_interruption_is_counted(watched):
    of_this_job = f'training_job="{NAME}", kind="preemption"'
    assert max(watched.values(f"perdure_job_retries_total{{{of_this_job}}}")) == 1
    assert max(watched.values("perdure_replacement_seconds_count")) == 1


def test_the_scrape_says_which_job_and_pod_and_hides_no_label(watched):
    series = watched.series("perdure_train_step")
    assert {s["metric"]["namespace"] for s in series} == {TRAINING}
    assert {s["metric"]["training_job"] for s in series} == {NAME}
    assert len({s["metric"]["pod"] for s in series}) == 2
    everything = watched.series('{__name__=~"perdure_.*"}')
    assert not {label for s in everything for label in s["metric"] if label.startswith("exported_")}


def test_the_operator_knows_the_last_step_that_the_trainer_has_shown(watched):
    reached = max(watched.values("perdure_train_step"))
    assert watched.status["progress"]["step"] >= reached, watched.status
    assert max(watched.values("perdure_job_step")) == watched.status["progress"]["step"]


def test_the_operator_was_never_refused_anything(watched):
    assert watched.values('perdure_api_requests_total{code="200"}')
    assert watched.values('perdure_api_requests_total{code=~"401|403"}') == []
