"""The programs written in Go that the tests run: built once, kept in the user's cache.

A program is kept under what it was built from: its version or its sources, and Go's version.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

KUBERNETES = "1.36.3"
SOURCES = Path(__file__).parent / "cluster" / "kubernetes"


class NotBuildable(Exception):
    """A program cannot be had on this machine; the message says what to install."""


@dataclass(frozen=True)
class Released:
    """A program of a published Go module."""

    package: str
    version: str
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: {"CGO_ENABLED": "0"})
    needs: str = "a reachable Go module proxy"

    @property
    def key(self) -> str:
        """What it is built from."""
        return self.version

    @property
    def folder(self) -> Path:
        """Where Go is run."""
        return Path("/")

    def command(self, destination: Path) -> list[str]:
        """The build; it writes into the folder of `destination`."""
        return ["install", *self.flags, f"{self.package}@{self.version}"]


@dataclass(frozen=True)
class Own:
    """A program whose sources are in this repository."""

    folder: Path
    package: str = "."
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: {"CGO_ENABLED": "0"})
    needs: str = "a reachable Go module proxy"

    @property
    def key(self) -> str:
        """What it is built from."""
        digest = hashlib.sha256(repr((self.package, self.flags)).encode())
        for pattern in ("go.*", f"{self.package}/*.go"):
            for source in sorted(self.folder.glob(pattern)):
                digest.update(source.read_bytes())
        return digest.hexdigest()[:16]

    def command(self, destination: Path) -> list[str]:
        """The build; it writes `destination`."""
        return ["build", "-trimpath", *self.flags, "-o", str(destination), self.package]


def _kubernetes_flags() -> tuple[str, ...]:
    """Without its version kubectl cannot say whether it fits the server."""
    major, minor, _ = KUBERNETES.split(".")
    values = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamps = " ".join(f"-X {p}.{k}={v}" for p in packages for k, v in values.items())
    return (f"-ldflags=-s -w {stamps}",)


CONTAINERD = "github.com/containerd/containerd/v2/cmd"
KUBEFLOW = "github.com/kubeflow/training-operator"
PROGRAMS: dict[str, Released | Own] = {
    "kubernetes": Own(SOURCES, flags=_kubernetes_flags()),
    "pause": Own(SOURCES, "./pause", flags=("-ldflags=-s -w",)),
    "containerd": Released(f"{CONTAINERD}/containerd", "v2.4.2", ("-tags=no_btrfs",)),
    "containerd-shim-runc-v2": Released(f"{CONTAINERD}/containerd-shim-runc-v2", "v2.4.2"),
    "ctr": Released(f"{CONTAINERD}/ctr", "v2.4.2", ("-tags=no_btrfs",)),
    "runc": Released(
        "github.com/opencontainers/runc",
        "v1.5.2",
        ("-tags=seccomp",),
        {"CGO_ENABLED": "1"},
        "a C compiler, Debian's libseccomp-dev and pkg-config",
    ),
    "helm": Released("helm.sh/helm/v4/cmd/helm", "v4.3.1"),
    "minio": Released("github.com/minio/minio", "v0.0.0-20250907161309-07c3a429bfed"),
    "versitygw": Released("github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
    "training-operator.v1": Released(f"{KUBEFLOW}/cmd/training-operator.v1", "v1.9.3"),
}


def program(name: str) -> Path:
    """The program `name`, built unless the cache has it.

    Raises:
        NotBuildable: there is no Go to build it with, or the build failed.
    """
    go = shutil.which("go")
    if go is None:
        raise NotBuildable(f"{name} is built with Go: install Go 1.26 or newer to run these tests")
    version = subprocess.run(
        [go, "env", "GOVERSION"], check=True, capture_output=True, text=True, cwd="/"
    ).stdout.strip()
    folder = cache() / "bin" / f"{name}-{PROGRAMS[name].key}-{version}"
    with locked(folder):
        if not (folder / name).exists():
            _build(go, name, folder)
    return folder / name


def cache() -> Path:
    """Where what was built is kept, outside any checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perdure"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make `folder`; the others wait and find it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(go: str, name: str, folder: Path) -> None:
    """Build next to the final place and move there: a build cut off leaves no half program."""
    source, building = PROGRAMS[name], folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    built = subprocess.run(
        [go, *source.command(building / name)],
        cwd=source.folder,
        env={**os.environ, **source.environment, "GOBIN": str(building)},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        said = built.stderr.strip()[-500:]
        raise NotBuildable(f"{name} could not be built; it needs {source.needs}; Go said: {said}")
    building.replace(folder)
