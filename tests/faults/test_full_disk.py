"""A folder on a disk that is full or read-only for a while: saves fail, are made again, and are right."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.store import open_store

pytestmark = pytest.mark.slow
WAIT_SECONDS = 60.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a disk that is full needs root, to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


TROUBLES: dict[str, tuple[Callable[[Path], None], Callable[[Path], None], str]] = {
    "full": (fill, lambda folder: (folder / "filler").unlink(), "No space left on device"),
    "read-only": (
        lambda folder: remount(folder, "ro"), lambda folder: remount(folder, "rw"),
        "Read-only file system",
    ),
}  # fmt: skip


def wait_for(condition: Callable[[], Any], bench: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, bench.log.read_text()
        time.sleep(0.01)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_disk_that_cannot_be_written_for_a_while(bench, disk, trouble):
    begin, end, word = TROUBLES[trouble]
    bench.url = (disk / "store").as_uri()
    bench.store = open_store(bench.url)
    looked_at = bench.folder / "looked-at"
    bench.start(4, LOOKED_AT=str(looked_at))
    wait_for(bench.committed, bench)
    before = bench.committed()
    begin(disk)
    looked_at.with_suffix(".1").touch()
    wait_for(lambda: "a save did not commit" in bench.log.read_text(), bench)
    assert bench.check(before) == before
    end(disk)
    for step in (2, 3, 4):
        looked_at.with_suffix(f".{step}").touch()
    assert bench.nursery.wait() == 0, bench.log.read_text()
    assert word in bench.log.read_text()
    assert bench.log.read_text().count("a save did not commit") == 1
    assert bench.said()[-1]["failures"] > 0
    bench.check(before + 1)
    bench.go_on()
