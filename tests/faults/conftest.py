"""Small processes on a lineage behind the proxy, before a real S3 server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lineage_process
import numpy as np
import pytest
import s3_server
from lineage_process import JOB, Process, arrays
from s3_faults import Delay
from s3_proxy import S3Proxy
from s3_server import S3Server
from trainers import Nursery

import perdure
from perdure.contract.environment import Keep
from perdure.lineage.chunk_reader import read_tensors
from perdure.lineage.records import RecordKind
from perdure.store import Store, open_store

KEEP = Keep(1)  # two stay
MODULES = ("boto3", "obstore", "obstore.store", "numpy", "zstandard", "blake3")


@dataclass
class Bench:
    """A lineage on a server: processes reach it through the proxy, the test itself directly."""

    nursery: Nursery
    proxy: S3Proxy
    store: Store
    url: str
    folder: Path
    runs: int = 0

    def start(self, saves: int = 4, **environ: str) -> int:
        """Start a process that makes saves; returns its id."""
        script = [lineage_process.__file__, self.url, str(saves)]
        return self._start(script, environ)

    def start_prune(self) -> int:
        """Start `perdure checkpoints prune`, keeping two."""
        script = [
            str(Path(perdure.__file__).with_name("__main__.py")),
            "checkpoints",
            "prune",
            "--keep",
            "last=2",
        ]
        return self._start([*script, "--store", self.url, "--job", str(JOB)], {})

    def _start(self, script: list[str], environ: dict[str, str]) -> int:
        self.runs += 1
        environ = {**s3_server.credentials(self.proxy.url), **environ}
        return self.nursery.start(script, environ, self.folder, self.log)

    def renew(self) -> None:
        """A lineage without anything."""
        self.url = f"{self.url.partition('/prefix')[0]}/prefix/{self.runs}"
        self.store = open_store(self.url)

    @property
    def log(self) -> Path:
        """What the newest process has said."""
        return self.folder / f"process-{self.runs}.log"

    def said(self) -> list[dict[str, Any]]:
        """What the newest process has said to the test; a kill may cut its last line short."""
        text = self.log.read_text() if self.log.exists() else ""
        lines = text.splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line[-1] == "\n"]

    def committed(self) -> int:
        """The newest record that the newest process has said to be committed."""
        return max((line["committed"] for line in self.said() if "committed" in line), default=0)

    def check(self, at_least: int) -> int:
        """Every checkpoint holds what was saved, and the newest is not older than `at_least`."""
        found = Process(self.store, KEEP)
        index = found.lineage.log.index
        kept = {number: checkpoint for number, _, checkpoint in found.lineage.saved()}
        assert [*kept] == sorted((*index.checkpoints, *index.finals))
        assert found.notices == []
        for checkpoint in kept.values():
            self._check_content(found, checkpoint)
        newest = max(kept, default=0)
        assert newest >= at_least, f"checkpoint {at_least} is not the newest: {newest} is"
        return newest

    def _check_content(self, found: Process, checkpoint: Any) -> None:
        back = read_tensors(self.store, found.lineage.log.prefix, checkpoint.tensors)
        expected = arrays(checkpoint.step)
        assert [entry.path for entry in checkpoint.tensors] == [*expected]
        for entry, array in zip(checkpoint.tensors, back, strict=True):
            np.testing.assert_array_equal(array, expected[entry.path])

    def go_on(self) -> None:
        """Another process takes over, goes on from the newest, saves and cleans: nothing is left over."""
        newest = self.check(0)
        newer = Process(self.store, KEEP).begin()
        point = newer.lineage.point_for(0)
        assert (point.number if point else 0) == newest
        step = point.checkpoint.step if point else 0
        for each in range(step + 1, step + 3):
            newer.save(each, arrays(each))
        assert newer.notices == []
        self.check(newest + 1)
        self.check_nothing_is_left_over(newer)

    def check_nothing_is_left_over(self, newer: Process) -> None:
        """Whatever lies in the store is named by the log."""
        kept = [checkpoint for _, _, checkpoint in newer.lineage.saved()]
        named = {chunk.name for checkpoint in kept for chunk in checkpoint.chunks()}
        assert {*newer.lineage.chunk_names()} == named
        log = newer.lineage.log
        index = log.index
        stay = {*index.checkpoints, *index.finals, *index.requests, index.finished}
        keys = {*self.store.list(f"{log.prefix}/log/")} - self.came_late()
        others = {log.read(n).kind for key in keys if (n := int(key[-13:-5])) not in stay}
        assert others <= {RecordKind.START, RecordKind.PRUNED, RecordKind.FINISHED}

    def came_late(self) -> set[str]:
        """Keys of records that were written after their sender had given the request up: they say nothing."""
        met = self.proxy.faults
        late = [r.key for r, fault in met if r.kind == "create" and isinstance(fault, Delay)]
        return {key.partition("prefix/")[2] for key in late}


@pytest.fixture(scope="module")
def small_nursery() -> Iterator[Nursery]:
    """A process that has imported what small processes need."""
    nursery = Nursery(*MODULES)
    yield nursery
    nursery.stop()


@pytest.fixture(scope="module")
def second_nursery() -> Iterator[Nursery]:
    """For a process beside another one."""
    nursery = Nursery(*MODULES)
    yield nursery
    nursery.stop()


@pytest.fixture
def bench(
    small_nursery: Nursery, versitygw: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A new lineage."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in s3_server.credentials(versitygw.url).items():
        monkeypatch.setenv(name, value)
    lineage_process.small_chunks(monkeypatch.setattr)
    url = f"s3://{versitygw.make_bucket()}/some/prefix"
    with S3Proxy(versitygw.port) as proxy:
        yield Bench(small_nursery, proxy, open_store(url), url, tmp_path)
