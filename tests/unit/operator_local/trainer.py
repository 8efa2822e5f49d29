"""A trainer made of the standard library, for tests of the runner: no perdure, no TensorFlow.

It trains `STEPS` steps of a few milliseconds, commits a checkpoint every `EVERY` steps to a file,
resumes from it, serves `/status`, and ends as the contract says. `FAIL_AT` makes it fail at a step,
`DEAF` ignore SIGTERM. It does not import perdure, which would prepare a real training.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

STEPS, EVERY = int(os.environ.get("STEPS", "200")), int(os.environ.get("EVERY", "20"))
FAIL_AT = int(os.environ.get("FAIL_AT", "-1"))
STORE = Path(os.environ["PERDURE_STORE"].removeprefix("file://"))
STATE = STORE / os.environ["PERDURE_JOB"] / "state.json"


class Trainer:
    def __init__(self) -> None:
        self.status = {
            "schema": 1,
            "job": os.environ["PERDURE_JOB"],
            "attempt": int(os.environ["PERDURE_ATTEMPT"]),
            "activity": "Starting",
            "totalSteps": STEPS,
            "stepsTrained": 0,
            "checkpoints": 0,
            "checkpoint": None,
        }
        self.told_to_go = threading.Event()

    def serve(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                body = json.dumps(self.status).encode()
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", int(os.environ["PERDURE_METRICS_PORT"])), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def resume(self) -> int:
        if not STATE.exists():
            return 0
        saved = json.loads(STATE.read_text())
        self.status |= {"resumedFrom": saved["step"], "checkpoint": saved, "step": saved["step"]}
        return saved["step"]

    def train(self, first: int) -> None:
        for step in range(first + 1, STEPS + 1):
            time.sleep(0.004)
            trained = self.status["stepsTrained"] + 1
            self.status |= {"activity": "Training", "step": step, "stepsTrained": trained}
            if self.told_to_go.is_set():
                self.commit(step)
                self.end(75, "Preempted")
            if step == FAIL_AT:
                raise RuntimeError("the fault asked for")
            if step % EVERY == 0:
                self.commit(step)

    def commit(self, step: int) -> None:
        record = 1 + (self.status["checkpoint"] or {"record": 0})["record"]
        saved = {"record": record, "step": step, "time": "", "bytes": 8, "digest": str(step)}
        STATE.parent.mkdir(parents=True, exist_ok=True)
        temporary = STATE.with_suffix(".new")
        temporary.write_text(json.dumps(saved))
        temporary.replace(STATE)
        self.status |= {"checkpoint": saved, "checkpoints": self.status["checkpoints"] + 1}

    def end(self, code: int, reason: str) -> None:
        last = self.status | {"ending": {"code": code, "reason": reason}}
        Path(os.environ["PERDURE_TERMINATION_LOG"]).write_text(json.dumps(last))
        sys.exit(code)


def main() -> None:
    trainer = Trainer()
    deaf = "DEAF" in os.environ
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: trainer.told_to_go.set())
    trainer.serve()
    print("training", os.environ["PERDURE_JOB"], flush=True)
    trainer.train(trainer.resume())
    trainer.end(0, "Finished")


if __name__ == "__main__":
    main()
