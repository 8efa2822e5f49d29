"""A machine whose clock is an hour off: real servers refuse its signatures until it is set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import s3_server
from s3_server import S3Server

# Between a process and its C library: an hour is added for as long as there is the file CLOCK_IS_OFF.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(id, time);
  if (id == CLOCK_REALTIME && access(getenv("CLOCK_IS_OFF"), F_OK) == 0) time->tv_sec += 3600;
  return failed;
}
"""
TRAINER = """
import os, sys
from perdure.store import open_store, until_deadline

told = []

def set_the_clock(error, seconds):
    told.append(str(error))
    os.unlink(os.environ["CLOCK_IS_OFF"])

store = until_deadline(open_store(sys.argv[1]), 60, on_retry=set_the_clock)
CALLS = {
    "put": lambda: store.put("a", b"content"),
    "create": lambda: store.create("b", b"content"),
    "get": lambda: store.get("a"),
    "list": lambda: store.list(""),
    "delete": lambda: store.delete("a"),
}
for name, call in CALLS.items():
    open(os.environ["CLOCK_IS_OFF"], "w").close()
    call()
    print(name, told.pop())
"""


@pytest.fixture
def clock(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose clock can be put wrong."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a clock that is off is made with a C compiler: install gcc to run this test")
    library = tmp_path / "clock.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-xc", "-", "-o", str(library), "-ldl"],
        input=CLOCK.encode(),
        check=True,
    )
    return {"LD_PRELOAD": str(library), "CLOCK_IS_OFF": str(tmp_path / "off")}


@pytest.mark.parametrize("server", ["versitygw", "minio"])
def test_the_clock_is_named_and_waited_for(
    request: pytest.FixtureRequest, clock: dict[str, str], server: str
) -> None:
    real: S3Server = request.getfixturevalue(server)
    ended = subprocess.run(
        [sys.executable, "-c", TRAINER, f"s3://{real.make_bucket()}/prefix"],
        env={**os.environ, **s3_server.credentials(real.url), **clock},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = ended.stdout.splitlines()
    assert [line.split()[0] for line in said] == ["put", "create", "get", "list", "delete"]
    for line in said:
        assert "RequestTimeTooSkewed" in line
        assert line.endswith("Set this machine's clock.")
