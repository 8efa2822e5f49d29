"""Building the Go programs of the tests: once, whole, or with a sentence that says what to install."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import go_programs
import pytest
from go_programs import NotBuildable, Own, program

with_go = pytest.mark.skipif(shutil.which("go") is None, reason="install Go 1.26 or newer")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a program `hello`, with an empty cache."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "go.mod").write_text("module hello\n")
    (folder / "main.go").write_text("package main\n\nfunc main() { println(1) }\n")
    compiled = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE", f"{compiled}/go-build"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(go_programs.PROGRAMS, "hello", Own(folder))
    return folder


def test_without_go_a_sentence_says_what_to_install(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotBuildable, match=r"hello is built with Go: install Go 1\.26 or newer"):
        program("hello")


@with_go
def test_it_is_built_once_and_again_when_its_sources_change(sources: Path) -> None:
    with ThreadPoolExecutor() as pool:
        first, same = pool.map(program, ["hello", "hello"])
    built = first.stat().st_mtime_ns
    assert (first, built) == (same, program("hello").stat().st_mtime_ns)
    (sources / "main.go").write_text("package main\n\nfunc main() { println(2) }\n")
    assert program("hello") != first


@with_go
def test_a_build_that_fails_or_was_cut_off_leaves_no_program(sources: Path) -> None:
    whole = (sources / "main.go").read_text()
    (sources / "main.go").write_text("package main\n\nfunc main() { nothing() }\n")
    with pytest.raises(NotBuildable, match="undefined: nothing"):
        program("hello")
    assert not list(go_programs.cache().glob("bin/*/hello"))
    failed = next(go_programs.cache().glob("bin/hello-*.building"))
    broken = Own(sources).key
    (sources / "main.go").write_text(whole)
    half = failed.with_name(failed.name.replace(broken, Own(sources).key))
    half.mkdir()
    (half / "hello").write_text("half")
    assert program("hello").stat().st_size > 1000
