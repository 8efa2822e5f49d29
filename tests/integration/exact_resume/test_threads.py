"""The lineage fixes the thread counts, so what the machine offers does not matter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from trainers import Job, Nursery, first_difference

OFFER = """
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
/* Says that this machine has OFFERED_CPUS processors. */
static int offered(void) { return atoi(getenv("OFFERED_CPUS")); }
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *mask) {
    (void)pid;
    CPU_ZERO_S(size, mask);
    for (int i = 0; i < offered(); i++) CPU_SET_S(i, size, mask);
    return 0;
}
long __sysconf(int name);
long sysconf(int name) {
    return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? offered() : __sysconf(name);
}
"""


@pytest.fixture(scope="module")
def offering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that, preloaded, makes a machine offer another number of processors."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler is needed to offer other numbers of processors: install gcc")
    folder = tmp_path_factory.mktemp("offering")
    (folder / "offer.c").write_text(OFFER)
    command = [compiler, "-shared", "-fPIC", "-o", "offer.so", "offer.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "offer.so"


def _run(offering: Path, folder: Path, cpus: int, run: str, threads: str) -> Job:
    nursery = Nursery(LD_PRELOAD=str(offering), OFFERED_CPUS=str(cpus))
    job = Job(nursery, folder, "wide.py", run=run, environ={"PERDURE_THREADS": threads})
    job.finish()
    nursery.stop()
    return job


@pytest.mark.slow
def test_one_and_four_processors_offered_give_the_same_bits(offering: Path, tmp_path: Path) -> None:
    one = _run(offering, tmp_path, 1, "one", "4")
    four = _run(offering, tmp_path, 4, "four", "4")
    assert "processors 1" in one.attempts[0].output
    assert "processors 4" in four.attempts[0].output
    assert first_difference(one.results(), four.results()) is None


@pytest.mark.slow
def test_thread_counts_do_change_the_bits_here(offering: Path, tmp_path: Path) -> None:
    """Without this the test above would say nothing."""
    one = _run(offering, tmp_path, 4, "one-thread", "1")
    four = _run(offering, tmp_path, 4, "four-threads", "4")
    assert first_difference(one.results(), four.results()) is not None
