"""What a trainer exports: every metric of the contract, with the values that it counts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from perdure.board import Board
from perdure.contract import metric_names as names
from perdure.contract.prices import Prices
from perdure.interval import Bound, Interval
from perdure.server import _registry
from perdure.store import Meter


@pytest.fixture
def attempt():
    meter = Meter()
    meter.count("write", requests=2000, sent=2**31)
    meter.count("read", requests=1000, received=7)
    spending = SimpleNamespace(
        sent_bytes=100, known_bytes=300, blocked_seconds=0.25, excess_seconds=0.5,
        slowed_seconds=0.75, last=SimpleNamespace(seconds=4.0),
    )  # fmt: skip
    return SimpleNamespace(
        board=Board("team/digits/1", 1),
        saver=SimpleNamespace(failures=3, spending=spending),
        meter=meter,
        versions={"keras": "3", "tensorflow": "2"},
        prices=Prices(write=1.0, read=2.0, sent=4.0),
        interval=Interval(84.0, Bound.DALY),
        metrics_port=0,
    )


def exported(attempt) -> dict[tuple[str, ...], float]:
    """The samples by name and labels' values."""
    text = generate_latest(_registry(attempt)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_is_exported(attempt):
    attempt.board.logged({"loss": 0.5})
    found = {name for name, *_ in exported(attempt)}
    assert found == {metric.name for metric in names.ALL}


def test_what_saves_cost(attempt):
    found = exported(attempt)
    assert found[names.CHECKPOINT_FAILURES.name,] == 3
    assert found[names.CHECKPOINT_SENT.name,] == 100
    assert found[names.CHECKPOINT_DEDUPLICATED.name,] == 300
    assert found[names.CHECKPOINT_BLOCKED.name,] == 0.25
    assert found[names.CHECKPOINT_EXCESS.name,] == 0.5
    assert found[names.CHECKPOINT_SLOWED.name,] == 0.75
    assert found[names.CHECKPOINT_DURATION.name,] == 4.0
    assert found[names.CHECKPOINT_INTERVAL.name, "Young/Daly"] == 84.0


def test_what_the_store_was_asked_for(attempt):
    found = exported(attempt)
    kinds = {"write": 2000, "read": 1000, "list": 0, "delete": 0}
    assert {kind: found[names.STORE_REQUESTS.name, kind] for kind in kinds} == kinds
    assert found[names.STORE_SENT.name,] == 2**31
    assert found[names.STORE_RECEIVED.name,] == 7
    assert found[names.STORE_PRICE.name,] == 2 * 1.0 + 1 * 2.0 + 2 * 4.0


def test_without_prices_there_is_no_price(attempt):
    attempt.prices = None
    assert (names.STORE_PRICE.name,) not in exported(attempt)


@pytest.mark.parametrize("unknown", [None, Interval(30.0, Bound.SETTING)])
def test_an_interval_of_steps_is_none_in_seconds(attempt, unknown):
    attempt.interval = unknown
    found = {key: value for key, value in exported(attempt).items() if "interval" in key[0]}
    assert found == ({} if unknown is None else {(names.CHECKPOINT_INTERVAL.name, "setting"): 30.0})


def test_before_the_lineage_is_taken_over_nothing_of_saves_is_known(attempt):
    attempt.saver = None
    assert (names.CHECKPOINT_FAILURES.name,) not in exported(attempt)
