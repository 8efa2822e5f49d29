"""A trainer without Keras, for tests of who is started when: it speaks the contract and trains nothing.

Its first argument says what each attempt does, from the first on, the last one for all that follow:
`wait` for SIGTERM and leave as a preempted trainer does, `fail`, `finish`, or any `exit CODE`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from perdure.contract.status import Committed, Ending, Status

ATTEMPT = int(os.environ["PERDURE_ATTEMPT"])


def leave(code: int, reason: str) -> None:
    """Say the last word, and end."""
    saved = Committed(ATTEMPT, 10 * ATTEMPT, "2026-01-01T00:00:00Z", 1, "none")
    ending = Ending(code, reason, f"the stand-in ends with {code}", digest=f"after-{ATTEMPT}")
    status = Status(
        os.environ["PERDURE_JOB"], ATTEMPT, step=10 * ATTEMPT, checkpoints=1, checkpoint=saved,
        starts=ATTEMPT, pid=os.getpid(), ending=ending,
    )  # fmt: skip
    with open("/dev/termination-log", "w") as log:
        log.write(status.to_termination_message())
    os._exit(code)


def main(attempts: list[str]) -> None:
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    what = attempts[min(ATTEMPT, len(attempts)) - 1]
    print(f"attempt {ATTEMPT}: {what}", flush=True)
    if what == "wait":
        while not told.wait(0.05):
            pass
        leave(75, "Preempted")
    if what == "finish":
        leave(0, "Finished")
    sys.exit(1 if what == "fail" else int(what.removeprefix("exit ")))


main(sys.argv[1].split(","))
