"""Reading a checkpoint back into variables, beside downloading the same objects and assigning them.

    python benchmarks/restore.py                     # a versitygw of its own
    AWS_ENDPOINT_URL=https://... python benchmarks/restore.py --store s3://bucket/prefix

Perdure's figure holds all that a resume does to the bytes: parallel reads, every digest, arrays, assignment.
The peer is obstore with as many threads: each object once, one array per variable, nothing verified.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import obstore
import report
import s3_server
from upload import versitygw

from perdure.contract.environment import Encryption
from perdure.lineage.chunk_reader import read_tensors
from perdure.lineage.chunk_writer import ChunkWriter, Tensor
from perdure.lineage.parallel import PARALLEL
from perdure.lineage.table import TensorEntry, chunk_key, chunks_of
from perdure.store import Meter, Store, Timeouts, metered, open_store, until_deadline
from perdure.store.s3_clients import Clients


def contenders(
    url: str, store: Store, name: str, entries: tuple[TensorEntry, ...], variables: list[Any]
) -> dict[str, Callable[[], None]]:
    """Each reads the checkpoint `entries` below `name` into `variables`."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    raw = Clients(bucket, Timeouts(), Encryption()).made().reading()
    keys = [f"{prefix}/{chunk_key(name, chunk)}" for chunk in chunks_of(entries)]

    def perdure() -> None:
        for variable, array in zip(variables, read_tensors(store, name, entries), strict=True):
            variable.assign(array)

    def download_and_assign() -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            parts = list(pool.map(lambda key: obstore.get(raw, key).bytes(), keys))
        places = iter(variables)
        for part in parts:  # none of these variables is in two objects
            memory, start = np.frombuffer(part, np.float32), 0
            while start < len(memory):
                variable = next(places)
                size = int(np.prod(variable.shape))
                variable.assign(memory[start : start + size])
                start += size

    return {"perdure": perdure, "download and assign": download_and_assign}


def rounds(url: str, count: int, options: Any) -> report.Row:
    """Interleaved rounds over a checkpoint of `count` variables."""
    import tensorflow as tf

    store = until_deadline(metered(open_store(url), Meter()), 300)
    size = options.megabytes * 1_000_000 // 4 // count
    generator = np.random.default_rng()
    arrays = [generator.random(size, np.float32) for _ in range(count)]
    name = f"restore-{uuid.uuid4().hex}"
    tensors = (Tensor("model", str(n), lambda a=a: a) for n, a in enumerate(arrays))
    entries = ChunkWriter(store, name, "w").write(tensors).entries
    variables = [tf.Variable(np.zeros(size, np.float32)) for _ in arrays]
    calls = contenders(url, store, name, entries, variables)
    seconds: dict[str, list[float]] = {each: [] for each in calls}
    for number in range(options.rounds + 1):
        for each, call in calls.items():
            began = time.perf_counter()
            call()
            if number > 0:  # the first one warms up
                seconds[each].append(time.perf_counter() - began)
        assert all((v.numpy() == a).all() for v, a in zip(variables, arrays, strict=True))
    ours, theirs = (statistics.median(values) for values in seconds.values())
    what = f"restore {options.megabytes} MB in {count} variables"
    return report.Row(what, "s", ours, theirs, "obstore: download and assign, nothing verified")


@contextmanager
def server(options: Any) -> Iterator[str]:
    """The URL of the store to read from."""
    if options.store:
        yield options.store
        return
    with versitygw() as endpoint:
        os.environ.update(s3_server.credentials(endpoint))
        import boto3

        boto3.client("s3").create_bucket(Bucket="benchmark")
        yield "s3://benchmark/prefix"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", help="s3://bucket/prefix; boto3's variables lead to its server")
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with server(options) as url:
        rows = [rounds(url, count, options) for count in (60, 800, 3000)]
    report.write("restore", rows, {"rounds": options.rounds})


if __name__ == "__main__":
    main()
