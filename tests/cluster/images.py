"""The project's images, built from its own Dockerfile by buildah on a base made by mmdebstrap.

What has been built before comes from buildah's cache of layers, so nothing is built twice.
"""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import go_programs
from go_programs import cache, locked

ROOT = Path(__file__).parents[2]
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
BASE = "localhost/perdure/base:bookworm"
CERTIFICATES = "/etc/ssl/certs"


def name(target: str) -> str:
    """The image's name on the nodes; nothing can be pulled under it."""
    return f"localhost/perdure/{target}:test"


def save(target: str, archive: Path, *arguments: str) -> None:
    """Build a target of the Dockerfile and write it as an archive.

    Args:
        target: `trainer`, `operator` or `example`.
        archive: the file to write.
        arguments: further build arguments, `NAME=VALUE`.
    """
    with locked(cache() / "images"):
        _make_base()
        settings = archive.with_suffix(".pip.conf")
        settings.write_text(_pip_settings())
        _buildah(
            "bud", "--isolation=chroot", "--network=host", "--layers", f"--target={target}",
            f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", f"--volume={settings}:/etc/pip.conf:ro",
            f"--build-arg=BASE_IMAGE={BASE}", *(f"--build-arg={each}" for each in arguments),
            f"--tag={name(target)}", str(ROOT),
        )  # fmt: skip
        _export(name(target), archive)


def save_pause(archive: Path) -> None:
    """Write the image whose program waits until it is told to stop."""
    with locked(cache() / "images"):
        container = _buildah("from", "scratch")
        _buildah("copy", container, str(go_programs.program("pause")), "/pause")
        _buildah("config", "--entrypoint", '["/pause"]', "--user=65532:65532", container)
        _buildah("commit", "--rm", "--timestamp=0", container, name("pause"))
        _export(name("pause"), archive)


def _make_base() -> None:
    """Debian with Python, for a machine that reaches no image registry."""
    if _buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        return
    tarball = cache() / "base.tar"
    command = ["mmdebstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm"]
    _run([*command, str(tarball)])
    container = _buildah("from", "scratch")
    _buildah("add", container, str(tarball), "/")
    _buildah("commit", "--rm", "--timestamp=0", container, BASE)
    tarball.unlink()


def _pip_settings() -> str:
    """pip's settings of this machine: they hold while building, and are not in the image."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(["/etc/pip.conf", Path("~/.config/pip/pip.conf").expanduser()])
    settings = dict(parser["global"]) if parser.has_section("global") else {}
    for variable, value in os.environ.items():
        if variable.startswith("PIP_"):
            settings[variable.removeprefix("PIP_").lower().replace("_", "-")] = value
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def _export(image: str, archive: Path) -> None:
    archive.unlink(missing_ok=True)
    _buildah("push", image, f"docker-archive:{archive}:{image}")


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
