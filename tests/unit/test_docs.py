"""What the documents say is there, and what is there is in the documents."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from perdure.cli import checkpoints
from perdure.cli.exporting import export
from perdure.contract import environment
from perdure.contract.exits import ExitCode, Reason
from perdure.contract.labels import API_VERSION, KIND
from perdure.contract.status import Activity, Kind, Leaving
from perdure_operator.cli import run
from perdure_operator.decide.conditions import Type

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs/user-guide.md").read_text()
CHECKPOINTS = (ROOT / "docs/checkpoints.md").read_text()
EXACTNESS = (ROOT / "docs/exactness.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]
EXAMPLES = sorted(path for path in (ROOT / "deploy/examples").iterdir() if path.is_dir())


def rows(text: str, heading: str) -> list[str]:
    """The first cells of the table under `heading`."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    return re.findall(r"^\| *([^|]+?) *\|", section, flags=re.MULTILINE)[2:]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_settings_table_is_the_contract():
    assert {row.strip("`") for row in rows(README, "Settings")} == environment.ALL


def test_exit_code_table_is_the_contract():
    codes = {str(int(code)) for code in ExitCode}
    assert set(rows(README, "Exit codes")) == codes | {"other"}


@pytest.mark.parametrize("code", [c for c in ExitCode if c], ids=lambda code: code.name)
def test_guide_says_what_to_do_about_exit_code(code):
    assert str(int(code)) in rows(GUIDE, "When it ends otherwise than with 0")


def test_options_table_is_the_command():
    options = {name for parameter in run.params for name in parameter.opts if name.startswith("--")}
    cells = " ".join(rows(GUIDE, "Run a manifest on this machine"))
    assert set(re.findall(r"--[a-z-]+", cells)) == options


def test_checkpoint_commands_table_is_the_command():
    cells = " ".join(rows(CHECKPOINTS, "Commands"))
    assert set(re.findall(r"checkpoints ([a-z]+)", cells)) == {*checkpoints.commands}


def test_export_options_table_is_the_command():
    options = {name for parameter in export.params for name in parameter.opts}
    cells = " ".join(rows(CHECKPOINTS, "Exporting for serving"))
    assert set(re.findall(r"--[a-z]+", cells)) == options - {"--store", "--job"}


def reasons_of_the_operator() -> set[str]:
    """What its source gives as the reason of a condition."""
    sources = (ROOT / "operator/perdure_operator").glob("*/*.py")
    return {
        word for file in sources for word in re.findall(r'"([A-Z][A-Za-z]+)"', file.read_text())
    }


def test_notices_in_the_documents_exist():
    others = {"PyDataset", "SeedGenerator", "SystemExit", "Recreate"}
    said = {str(word) for words in (Kind, Reason, Activity, Leaving, Type) for word in words}
    known = said | others | reasons_of_the_operator()
    words = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", README + GUIDE + EXACTNESS))
    assert words <= known


def test_every_notice_of_what_cannot_be_exact_is_in_its_document():
    about = {
        kind for kind in Kind if kind.endswith(("NotExact", "Uncertain", "Changed", "NotCaptured"))
    }
    assert about <= set(re.findall(r"`(\w+)`", EXACTNESS))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_make_targets_in_documents_exist(document):
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    code = re.findall(r"`make ([a-z]+)|^(?:\+ )?make ([a-z]+)", document.read_text(), re.MULTILINE)
    assert {a or b for a, b in code} <= targets


def test_make_help_lists_every_target():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    assert phony is not None
    assert re.findall(r"^  ([a-z-]+) ", listed.stdout, flags=re.MULTILINE) == phony[1].split()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_relative_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    broken = [link for link in links if "://" not in link and not leads_somewhere(document, link)]
    assert broken == []


def leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(), flags=re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_readme_has_a_place_for_the_transcript():
    assert re.search(r"<!-- transcript:begin -->\n.*<!-- transcript:end -->", README, re.DOTALL)


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_example_is_complete(folder):
    manifest = yaml.safe_load((folder / "job.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == (API_VERSION, KIND)
    assert manifest["metadata"]["name"] == folder.name
    assert (folder / manifest["spec"]["command"][-1]).is_file()
    assert f"deploy/examples/{folder.name}/" in README
    assert f"deploy/examples/{folder.name}/job.yaml" in (folder / "README.md").read_text()


@pytest.mark.parametrize("folder", ["operator", "callbacks"])
def test_project_folders_are_no_packages(folder):
    assert not (ROOT / folder / "__init__.py").exists(), (
        "a project folder, never a package: operator/ would shadow the standard library's operator"
    )


def test_contract_imports_the_standard_library_only():
    """In a process of its own: in this one everything is imported already."""
    program = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
import perdure.contract
for module in pkgutil.walk_packages(perdure.contract.__path__, "perdure.contract."):
    importlib.import_module(module.name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    modules = json.loads(run.stdout)
    ours = {name for name in modules if name.split(".")[0] == "perdure"}
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names} - ours
    assert foreign == set()
    assert {name for name in ours if not name.startswith("perdure.contract")} == {"perdure"}
    assert "perdure.contract.environment" in ours
