"""Uploading while the main thread is busy: Perdure, obstore alone and boto3 alone, same bytes and server.

    python benchmarks/upload.py                      # a versitygw of its own, and a sink that keeps nothing
    AWS_ENDPOINT_URL=https://... python benchmarks/upload.py --store s3://bucket/prefix

Each round uploads fresh random bytes (400 MB as tensors of 16 MiB) once with each contender, beside the same
busy main thread: a loop in pure Python, and a Keras train loop. Perdure's figure holds all that a save does to
its bytes: hashing, the table, requests. Printed are medians, and how far the main thread came meanwhile.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import report
import s3_server
from go_programs import NotBuildable

from perdure.contract.environment import Encryption
from perdure.lineage.chunk_writer import PARALLEL, ChunkWriter, Tensor
from perdure.store import Meter, Store, Timeouts, metered, open_store, until_deadline
from perdure.store.s3_clients import Clients

OBJECT_BYTES = 16 << 20
Upload = Callable[[list[np.ndarray], str], None]
Work = Callable[[], None]


def contenders(url: str) -> dict[str, Upload]:
    """Each puts the arrays below the key given."""
    import boto3
    import obstore

    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    store: Store = until_deadline(metered(open_store(url), Meter()), 300)
    raw = Clients(bucket, Timeouts(), Encryption()).made().writing()
    plain = default_obstore(bucket)
    boto = boto3.client("s3")

    def perdure(arrays: list[np.ndarray], name: str) -> None:
        tensors = (Tensor("model", str(n), lambda a=a: a) for n, a in enumerate(arrays))
        ChunkWriter(store, name, "w").write(tensors)

    def obstore_objects(arrays: list[np.ndarray], name: str) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            put = lambda n: obstore.put(  # noqa: E731
                raw, f"{prefix}/{name}/{n}", arrays[n].data, use_multipart=False
            )
            list(pool.map(put, range(len(arrays))))

    def obstore_defaults(arrays: list[np.ndarray], name: str) -> None:
        obstore.put(plain, f"{prefix}/{name}", (a.data for a in arrays))

    def boto3_upload(arrays: list[np.ndarray], name: str) -> None:
        for number, array in enumerate(arrays):
            boto.upload_fileobj(io.BytesIO(array.data), bucket, f"{prefix}/{name}/{number}")

    return {
        "perdure": perdure,
        f"obstore, the same objects in {PARALLEL} threads": obstore_objects,
        "obstore at its defaults, one object": obstore_defaults,
        "boto3's upload_fileobj": boto3_upload,
    }


def default_obstore(bucket: str) -> Any:
    """obstore as its own documentation begins: it signs the bytes, and sends parts of 5 MiB."""
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return S3Store(
        bucket,
        **({"endpoint": endpoint} if endpoint else {}),
        client_options={"allow_http": True},
        credential_provider=Boto3CredentialProvider(),
    )


def python_loop() -> Work:
    """Some work in pure Python that never lets go of the interpreter's lock by itself."""

    def work() -> None:
        total = 0
        for number in range(20_000):
            total += number * number

    return work


def train_loop() -> Work:
    """One train step of a Keras model."""
    import keras

    model = keras.Sequential([keras.layers.Dense(256, activation="relu"), keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = np.zeros((128, 256), "float32"), np.zeros(128, "int32")
    model.train_on_batch(x, y)

    def work() -> None:
        model.train_on_batch(x, y)

    return work


def beside(work: Work, upload: Callable[[], None]) -> tuple[float, float]:
    """Seconds of `upload` in a thread, and how often a second the main thread has done `work`."""
    failed: list[BaseException] = []
    ended = threading.Event()

    def uploading() -> None:
        try:
            upload()
        except BaseException as error:
            failed.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=uploading)
    began, done = time.perf_counter(), 0
    thread.start()
    while not ended.is_set():
        work()
        done += 1
    seconds = time.perf_counter() - began
    thread.join()
    if failed:
        raise failed[0]
    return seconds, done / seconds


def alone(work: Work, seconds: float = 2.0) -> float:
    """How often a second the main thread does `work` with nothing beside it."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work()
        done += 1
    return done / (time.perf_counter() - began)


def fresh(megabytes: int) -> list[np.ndarray]:
    """Arrays that no server has seen before."""
    generator = np.random.default_rng()
    count = max(1, megabytes * 1_000_000 // OBJECT_BYTES)
    return [generator.integers(0, 256, OBJECT_BYTES, np.uint8) for _ in range(count)]


def rounds(url: str, work: Work, where: str, options: Any) -> list[report.Row]:
    """Interleaved rounds of all contenders, as rows of the table."""
    uploads = contenders(url)
    speeds: dict[str, list[float]] = {name: [] for name in uploads}
    paces: dict[str, list[float]] = {name: [] for name in uploads}
    pace = alone(work)
    for number in range(options.rounds + 1):
        arrays = fresh(options.megabytes)
        size = sum(array.nbytes for array in arrays) / 1e6
        for name, upload in uploads.items():
            key = f"{uuid.uuid4().hex}"
            seconds, share = beside(work, lambda: upload(arrays, key))  # noqa: B023
            if number > 0:  # the first one warms up
                speeds[name].append(size / seconds)
                paces[name].append(share / pace)
    return [row for peer in list(uploads)[1:] for row in _rows(where, speeds, paces, peer)]


def _rows(
    where: str, speeds: dict[str, list[float]], paces: dict[str, list[float]], peer: str
) -> Iterator[report.Row]:
    for what, unit, values in (
        (f"upload {where}", "MB/s", speeds),
        (f"main thread meanwhile, {where}", "of its speed alone", paces),
    ):
        ours, theirs = statistics.median(values["perdure"]), statistics.median(values[peer])
        yield report.Row(what, unit, ours, theirs, peer)


@contextmanager
def sink() -> Iterator[str]:
    """The endpoint of a server that keeps nothing."""
    program = Path(__file__).with_name("s3_sink.py")
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.wait()


@contextmanager
def versitygw() -> Iterator[str]:
    """The endpoint of a versitygw over a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        server = s3_server.versitygw(Path(folder)).start()
        yield server.url
        server.stop()


def servers(options: Any) -> Iterator[tuple[str, str]]:
    """What is uploaded to: a name, and the store's URL; the environment leads to it meanwhile."""
    if options.store:
        yield os.environ.get("AWS_ENDPOINT_URL", "S3"), options.store
        return
    for name, server in (("a sink", sink), ("versitygw", versitygw)):
        try:
            with server() as endpoint:
                os.environ.update(s3_server.credentials(endpoint))
                _make_bucket()
                yield name, "s3://benchmark/prefix"
        except NotBuildable as error:
            print(f"left out: {name}: {error}")


def _make_bucket() -> None:
    import boto3

    boto3.client("s3").create_bucket(Bucket="benchmark")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", help="s3://bucket/prefix; boto3's variables lead to its server")
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    works = {"a Python loop": python_loop(), "a train loop": train_loop()}
    rows = [
        row
        for server, url in servers(options)
        for busy, work in works.items()
        for row in rounds(url, work, f"to {server} beside {busy}", options)
    ]
    report.write("upload", rows, {"megabytes": options.megabytes, "rounds": options.rounds})


if __name__ == "__main__":
    main()
