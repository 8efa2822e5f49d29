"""A trainer without Keras, for tests of who is started when: it speaks the contract and trains nothing.

Its first argument says what each process of the job does, from the first on, the last one for all that
follow: `wait` for SIGTERM and leave as a preempted trainer does, `fail`, `finish`, or `exit CODE`.
How many there were is known from the store, as the library knows it from the lineage.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import uuid

import boto3

from perdure.contract.status import Committed, Ending, Status

JOB, ATTEMPT = os.environ["PERDURE_JOB"], int(os.environ["PERDURE_ATTEMPT"])
BUCKET = os.environ["PERDURE_STORE"].removeprefix("s3://").partition("/")[0]


def begun() -> int:
    """How many processes of the job have begun, this one included."""
    s3, prefix = boto3.client("s3"), f"stand-in/{JOB}/"
    s3.put_object(Bucket=BUCKET, Key=prefix + uuid.uuid4().hex, Body=b"")
    return int(s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"])


def leave(number: int, code: int, reason: str) -> None:
    """Say the last word, and end."""
    saved = Committed(number, 10 * number, "2026-01-01T00:00:00Z", 1, "none")
    ending = Ending(code, reason, f"the stand-in ends with {code}", digest=f"after-{number}")
    status = Status(
        JOB, ATTEMPT, step=10 * number, checkpoints=1, checkpoint=saved, starts=number,
        pid=os.getpid(), ending=ending,
    )  # fmt: skip
    with open("/dev/termination-log", "w") as log:
        log.write(status.to_termination_message())
    os._exit(code)


def main(processes: list[str]) -> None:
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    number = begun()
    what = processes[min(number, len(processes)) - 1]
    print(f"process {number}, attempt {ATTEMPT}: {what}", flush=True)
    if what == "wait":
        while not told.wait(0.05):
            pass
        leave(number, 75, "Preempted")
    if what == "finish":
        leave(number, 0, "Finished")
    sys.exit(1 if what == "fail" else int(what.removeprefix("exit ")))


main(sys.argv[1].split(","))
