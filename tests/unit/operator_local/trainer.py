"""A trainer made of the standard library, for tests of the runner: no TensorFlow, no real store.

It trains `STEPS` steps of a few milliseconds, commits a checkpoint every `EVERY` steps to a file,
resumes from it, serves `/status`, and ends as the contract says. `FAIL_AT` makes it fail at a step,
`DEAF` ignore SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from perdure.contract import environment as names
from perdure.contract.exits import ExitCode, Reason
from perdure.contract.status import Activity, Committed, Ending, Status

STEPS, EVERY = int(os.environ.get("STEPS", "200")), int(os.environ.get("EVERY", "20"))
FAIL_AT = int(os.environ.get("FAIL_AT", "-1"))
JOB = names.Job.parse(os.environ[names.JOB])
STATE = Path(os.environ[names.STORE].removeprefix("file://")) / str(JOB) / "state.json"


class Handler(BaseHTTPRequestHandler):
    trainer: Trainer

    def do_GET(self) -> None:
        body = self.trainer.status.to_json().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Trainer:
    def __init__(self) -> None:
        self.status = Status(str(JOB), int(os.environ[names.ATTEMPT]))
        self.told_to_go = threading.Event()

    def serve(self) -> None:
        handler = type("TrainerHandler", (Handler,), {"trainer": self})
        server = HTTPServer(("127.0.0.1", int(os.environ[names.METRICS_PORT])), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def resume(self) -> int:
        if not STATE.exists():
            return 0
        state = json.loads(STATE.read_text())
        saved = Committed(state["record"], state["step"], "2026-01-01T00:00:00Z", 8, "")
        self.status = replace(
            self.status, resumed_from=saved.step, checkpoint=saved, step=saved.step
        )
        return saved.step

    def train(self, first: int) -> None:
        for step in range(first + 1, STEPS + 1):
            time.sleep(0.004)
            trained = self.status.steps_trained + 1
            self.status = replace(
                self.status,
                activity=Activity.TRAINING,
                step=step,
                steps_trained=trained,
                total_steps=STEPS,
            )
            if self.told_to_go.is_set():
                self.commit(step)
                self.end(ExitCode.RESUME, Reason.PREEMPTED)
            if step == FAIL_AT:
                raise RuntimeError("the fault asked for")
            if step % EVERY == 0:
                self.commit(step)

    def commit(self, step: int) -> None:
        record = (self.status.checkpoint.record if self.status.checkpoint else 0) + 1
        STATE.parent.mkdir(parents=True, exist_ok=True)
        temporary = STATE.with_suffix(".new")
        temporary.write_text(json.dumps({"step": step, "record": record}))
        temporary.replace(STATE)
        saved = Committed(record, step, "2026-01-01T00:00:00Z", 8, f"{step}")
        self.status = replace(
            self.status, checkpoint=saved, checkpoints=self.status.checkpoints + 1
        )

    def end(self, code: int, reason: Reason) -> None:
        last = replace(self.status, ending=Ending(int(code), reason))
        Path(os.environ[names.TERMINATION_LOG]).write_text(last.to_termination_message())
        sys.exit(code)


def main() -> None:
    trainer = Trainer()
    deaf = "DEAF" in os.environ
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: trainer.told_to_go.set())
    trainer.serve()
    print("training", JOB, flush=True)
    trainer.train(trainer.resume())
    trainer.end(ExitCode.FINISHED, Reason.FINISHED)


if __name__ == "__main__":
    main()
