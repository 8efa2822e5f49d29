"""Each manifest of tests/manifests, through the command that a person uses."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from perdure_operator.cli import run
from perdure_operator.model import load

MANIFESTS = Path(__file__).parents[2] / "manifests"
BAD = sorted(MANIFESTS.glob("bad/*.yaml"))
GOOD = sorted(MANIFESTS.glob("good/*.yaml"))


@pytest.mark.parametrize("manifest", BAD, ids=lambda path: path.stem)
def test_bad_manifest_is_refused_with_its_sentence(manifest):
    expected = manifest.read_text().splitlines()[0].removeprefix("# expect: ")
    result = CliRunner().invoke(run, [str(manifest)])
    first, *problems = result.stderr.splitlines()
    assert first == f"{manifest} cannot be used:"
    assert [problem.strip() for problem in problems] == [expected]
    assert result.exit_code == 78


@pytest.mark.parametrize("manifest", GOOD, ids=lambda path: path.stem)
def test_good_manifest_is_loaded(manifest):
    assert load(manifest).metadata.name == "digits"
