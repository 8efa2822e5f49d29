"""The project's images, built from its own Dockerfile by buildah on a base made by mmdebstrap.

What has been built before comes from buildah's cache of layers, so nothing is built twice.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import go_programs
from go_programs import cache

ROOT = Path(__file__).parents[2]
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
BASE = "localhost/perdure/base:bookworm"
CERTIFICATES = "/etc/ssl/certs"


@dataclass(frozen=True)
class Image:
    """An image in buildah's store."""

    target: str
    id: str

    @property
    def name(self) -> str:
        """What pods call it: nothing can be pulled under it, and it never changes."""
        return f"localhost/perdure/{self.target}:{self.id[:12]}"

    def save(self, archive: Path, present: Path) -> None:
        """Write it as an archive, without the blobs that are in the folder `present` already.

        An image of gigabytes, of which one small layer is new, is then a small archive.
        """
        with tempfile.TemporaryDirectory(dir=archive.parent) as made:
            layout = Path(made)
            blobs = layout / "blobs" / "sha256"
            blobs.mkdir(parents=True)
            known = [file.name for file in present.glob("*")]
            for blob in known:
                (blobs / blob).symlink_to(present / blob)
            _buildah("push", "--disable-compression", self.id, f"oci:{layout}:{self.name}")
            for blob in known:
                (blobs / blob).unlink()
            with tarfile.open(archive, "w") as tar:
                tar.add(layout, arcname=".")


def build(target: str) -> Image:
    """Build a target of the Dockerfile, or `pause`: a program that waits until it is told to stop.

    Raises:
        RuntimeError: the build failed; with the end of what was said.
    """
    return _build_pause() if target == "pause" else _build_own(target)


def _build_pause() -> Image:
    container = _buildah("from", "scratch")
    _buildah("copy", container, str(go_programs.program("pause")), "/pause")
    _buildah("config", "--entrypoint", '["/pause"]', "--user=65532:65532", container)
    return Image("pause", _commit(container, "localhost/perdure/pause"))


def _build_own(target: str) -> Image:
    _make_base()
    settings, tag = cache() / "pip.conf", f"localhost/perdure/{target}"
    settings.write_text(_pip_settings())
    _buildah(
        "bud", "--isolation=chroot", "--network=host", "--layers", f"--target={target}",
        f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", f"--volume={settings}:/etc/pip.conf:ro",
        f"--build-arg=BASE_IMAGE={BASE}", f"--tag={tag}", str(ROOT),
    )  # fmt: skip
    return Image(target, _buildah("inspect", "--type=image", "--format={{.FromImageID}}", tag))


def _make_base() -> None:
    """Debian with Python, for a machine that reaches no image registry."""
    if _buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        return
    tarball = cache() / "base.tar"
    command = ["mmdebstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm"]
    _run([*command, str(tarball)])
    container = _buildah("from", "scratch")
    _buildah("add", container, str(tarball), "/")
    _commit(container, BASE)
    tarball.unlink()


def _commit(container: str, tag: str) -> str:
    """Make an image of the container; its id, which depends on nothing but what is in it."""
    return _buildah("commit", "--quiet", "--rm", "--timestamp=0", container, tag)


def _pip_settings() -> str:
    """pip's settings of this machine: they hold while building, and are not in the image."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(["/etc/pip.conf", Path("~/.config/pip/pip.conf").expanduser()])
    settings = dict(parser["global"]) if parser.has_section("global") else {}
    for variable, value in os.environ.items():
        if variable.startswith("PIP_"):
            settings[variable.removeprefix("PIP_").lower().replace("_", "-")] = value
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def _buildah(*arguments: str) -> str:
    return _run(["buildah", *arguments]).strip()


def _run(command: list[str]) -> str:
    """What the command printed.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = (ended.stdout + ended.stderr).strip()[-2000:]
        raise RuntimeError(f"{' '.join(command[:2])} failed: {said}")
    return ended.stdout
