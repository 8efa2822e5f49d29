"""A trainer without Keras that waits for a request in its file, prints it, and stops as it says."""

from __future__ import annotations

import os
import time
from pathlib import Path

from perdure.contract.requests import Request
from perdure.contract.status import Ending, Status

FILE = Path(os.environ["PERDURE_REQUEST_FILE"])


def newest() -> Request | None:
    """What is asked for; before anything is, the file is empty."""
    text = FILE.read_text()
    return Request.from_json(text) if text else None


print("began with:", newest(), flush=True)
while (request := newest()) is None or request.verb != "stop":
    time.sleep(0.2)
print("was asked for:", request.to_json(), flush=True)
status = Status(
    os.environ["PERDURE_JOB"], int(os.environ["PERDURE_ATTEMPT"]), step=7, starts=1,
    pid=os.getpid(), request_obeyed=str(request.id), ending=Ending(77, "Stopped", "as asked"),
)  # fmt: skip
Path("/dev/termination-log").write_text(status.to_termination_message())
raise SystemExit(77)
