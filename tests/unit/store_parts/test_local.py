"""The folder store: crashes, races between processes, permissions."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.store import Exists, Missing, Unavailable, Unusable
from perdure.store.local import LocalStore

RACING = 8
RACE = """
import sys
from pathlib import Path
from perdure.store import Exists
from perdure.store.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
won = []
for number in range(50):
    try:
        store.create(f"log/{number}", sys.argv[2].encode())
        won.append(number)
    except Exists:
        pass
print(*won)
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "deep" / "down" / "store")


def test_racing_processes_have_one_winner_for_each_key(store: LocalStore) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(store.root), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(RACING)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    won: dict[int, list[str]] = {}
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for number, process in enumerate(processes):
        for key in process.communicate(timeout=60)[0].split():
            won.setdefault(int(key), []).append(str(number))
    assert sorted(won) == list(range(50))
    for number, (winner,) in won.items():
        assert store.get(f"log/{number}") == winner.encode()


def test_a_process_killed_while_writing_leaves_nothing_to_see(store: LocalStore) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from perdure.store.local import LocalStore\n"
        "os.fsync = lambda _handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "LocalStore(Path(sys.argv[1])).put('chunks/abc', b'half of it')\n"
    )
    store.put("before", b"")
    (store.root / "chunks").mkdir()
    killed = subprocess.run([sys.executable, "-c", script, str(store.root)], check=False)
    assert killed.returncode == -9
    leftover = [path for path in store.root.rglob("*") if path.is_file() and path.name != "before"]
    assert len(leftover) == 1
    assert list(store.list("")) == ["before"]
    with pytest.raises(Missing):
        store.get("chunks/abc")


def test_old_leftovers_are_removed_and_young_ones_kept(store: LocalStore) -> None:
    folder = store.root / ".tmp"
    folder.mkdir(parents=True)
    for name, age in (("old", 25 * 3600), ("young", 3600)):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (time.time() - age,) * 2)
    store.put("a", b"")
    assert [path.name for path in folder.iterdir()] == ["young"]


def test_nothing_temporary_stays_after_success_or_refusal(store: LocalStore) -> None:
    store.create("a", b"")
    with pytest.raises(Exists):
        store.create("a", b"")
    store.put("a", b"")
    assert list((store.root / ".tmp").iterdir()) == []


def test_temporary_files_have_no_keys(store: LocalStore) -> None:
    with pytest.raises(ValueError, match=r"\.tmp"):
        store.get(".tmp/abc")


def test_reading_makes_no_folder(store: LocalStore) -> None:
    assert list(store.list("")) == []
    with pytest.raises(Missing):
        store.get("a")
    store.delete("a")
    assert not store.root.exists()


def test_a_file_in_the_place_of_the_folder_can_never_work(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    store = LocalStore(tmp_path / "store")
    for call in (
        lambda: store.put("a", b""),
        lambda: store.create("a", b""),
        lambda: store.get("a"),
    ):
        with pytest.raises(
            Unusable, match=r"(Not a directory|File exists).*Give the store's URL a folder"
        ):
            call()
    with pytest.raises(Unusable):
        store.list("")


def test_an_object_in_the_place_of_a_folder_can_never_work(store: LocalStore) -> None:
    store.put("a", b"")
    with pytest.raises(Unusable):
        store.put("a/b", b"")
    store.put("c/d", b"")
    with pytest.raises(Unusable):
        store.put("c", b"")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_can_never_work(
    store: LocalStore, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "mkdir", code)
    with pytest.raises(Unusable, match=os.strerror(code)):
        store.put("a", b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_can_never_work(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(Unusable, match="Permission denied"):
        LocalStore(tmp_path / "closed").put("a", b"")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.ESTALE])
def test_a_full_or_failing_disk_may_recover(
    store: LocalStore, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("before", b"")
    fail(monkeypatch, "fsync", code)
    with pytest.raises(Unavailable, match=os.strerror(code)):
        store.create("a", b"")
    monkeypatch.undo()
    assert list(store.list("")) == ["before"]
    assert list((store.root / ".tmp").iterdir()) == []
    store.create("a", b"")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "perdure-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_keeps_what_is_there_and_works_again_once_it_is_not(
    small_disk: Path,
) -> None:
    store = LocalStore(small_disk)
    store.create("log/1", b"committed")
    store.put("chunks/old", bytes(600_000))
    for write in (store.put, store.create):
        with pytest.raises(Unavailable, match=r"No space left on device.* Free some space\."):
            write("chunks/new", bytes(600_000))
    assert store.list("") == {"chunks/old": 600_000, "log/1": len(b"committed")}
    assert list((store.root / ".tmp").iterdir()) == [], "half a file takes no room"
    store.delete("chunks/old")
    store.put("chunks/new", bytes(600_000))
    assert store.get("log/1") == b"committed"


def test_a_read_only_disk_can_be_read_and_never_written(small_disk: Path) -> None:
    store = LocalStore(small_disk)
    store.put("a", b"content")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert store.get("a") == b"content"
    for call in (lambda: store.put("a", b""), lambda: store.delete("a")):
        with pytest.raises(Unusable, match=r"Read-only file system.*may read and write"):
            call()


def test_a_limit_for_the_size_of_files_is_named(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from perdure.store.local import LocalStore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "LocalStore(Path(sys.argv[1])).put('a', bytes(2000))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "Unusable: Expected to write" in ended.stderr
    assert "File too large" in ended.stderr
    assert "ulimit -f" in ended.stderr


def test_files_of_other_peoples_are_not_listed(store: LocalStore) -> None:
    store.put("log/1", b"")
    (store.root / "log" / "a\nname").write_bytes(b"")
    with (store.root / "log").joinpath(os.fsdecode(b"no-utf8-\xff")).open("wb"):
        pass
    assert list(store.list("log/")) == ["log/1"]


def test_a_file_system_without_hard_links_is_refused(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "link", errno.EPERM)
    with pytest.raises(Unusable, match=r"hard links.*mounted bucket"):
        store.create("a", b"")


def fail(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    def failing(*_arguments: object, **_more: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, failing)
