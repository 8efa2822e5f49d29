"""The training's random streams are not the store's to draw from."""

from __future__ import annotations

import random

import numpy as np
import pytest

from perdure.store import Unavailable, open_store, until_deadline


class Away:
    url = "test:///away"

    def get(self, key: str, most_bytes: int = 0) -> bytes:
        raise Unavailable("the store is away")


def test_asking_again_draws_nothing_from_the_global_streams() -> None:
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(Unavailable, match="Given up"):
        until_deadline(Away(), 2.0, sleep=lambda _seconds: None).get("key")  # type: ignore[arg-type]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_a_refused_connection_draws_nothing_from_the_global_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = open_store("s3://bucket/prefix")
    random.seed(1)
    before = random.getstate()
    for call in (
        lambda: store.get("key"),
        lambda: store.create("key", b""),
        lambda: store.list(""),
    ):
        with pytest.raises(Unavailable):
            call()
    assert random.getstate() == before
