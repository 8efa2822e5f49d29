"""What saving costs a whole run: with a save at every 10 and every 100 steps and on `auto`, against none.

Runs of the same model with and without saving alternate, each a process of its own, and are compared
round by round. Run it with `python benchmarks/slowdown.py`; the table goes to
benchmarks/results/slowdown.json. `--store` takes an S3 address too, with boto3's variables for endpoint
and credentials.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import report

NEVER = "1000000000 steps"
WAYS = {"every 10 steps": "10 steps", "every 100 steps": "100 steps", "auto": "auto"}


def train(options: argparse.Namespace) -> None:
    """In a child: train and print the seconds of the epoch after the first step."""
    import time

    import perdure  # isort: skip
    import keras
    from models import batches, dense

    class Clock(keras.callbacks.Callback):
        """Seconds from the end of the first step to the end of the last."""

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            """Start or stop."""
            if batch == 0:
                self.began = time.perf_counter()
            self.ended = time.perf_counter()

    model, clock = dense(options.megabytes, 60), Clock()
    data = batches(model, options.rows)
    model.fit(data, steps_per_epoch=options.steps, verbose=0, callbacks=perdure.callbacks(clock))
    print(clock.ended - clock.began)


def seconds(every: str, store: str, options: argparse.Namespace) -> float:
    """Of one run in a process of its own."""
    sizes = [f"--{name}={getattr(options, name)}" for name in ("megabytes", "steps", "rows")]
    environment = {
        **os.environ,
        "PERDURE_STORE": store,
        "PERDURE_JOB": f"benchmarks/slowdown/{uuid.uuid4().hex}",
        "PERDURE_EVERY": every,
        "PERDURE_METRICS_PORT": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    ended = subprocess.run(
        [sys.executable, __file__, "--train", *sizes],
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return float(ended.stdout.splitlines()[-1])


def row(name: str, every: str, store: str, options: argparse.Namespace) -> report.Row:
    """The medians of both; the pairs alternate in which comes first."""
    pairs: dict[str, list[float]] = {every: [], NEVER: []}
    for number in range(options.rounds):
        for one in (every, NEVER) if number % 2 else (NEVER, every):
            pairs[one].append(seconds(one, store, options))
    ours, bare = (statistics.median(pairs[one]) for one in (every, NEVER))
    what = f"{options.steps} steps, {options.megabytes} MB of state, a save {name}"
    return report.Row(what, "s", ours, bare, "the same run without a save")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument(
        "--rows", type=int, default=64, help="of a batch: more, and a step is longer"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--store", help="default: a folder below --folder")
    parser.add_argument("--folder", default="/dev/shm")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options)
        return
    table = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = options.store or Path(folder).as_uri()
        table = [row(name, every, store, options) for name, every in WAYS.items()]
    report.write("slowdown", table, {"rounds": options.rounds})


if __name__ == "__main__":
    main()
