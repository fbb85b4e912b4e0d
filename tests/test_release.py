"""What a release says in several places agrees: version, changelog, citation, workflow."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import twinsign

ROOT = Path(__file__).resolve().parents[1]


def test_the_version_is_the_changelogs_and_the_citations() -> None:
    dated = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert dated[0] == (twinsign.__version__, str(citation["date-released"]))
    assert citation["version"] == twinsign.__version__
    assert f"twinsign-{twinsign.__version__}-py3" in (ROOT / "docs/install.md").read_text()


def test_the_install_page_names_every_extra_and_every_target() -> None:
    page = (ROOT / "docs/install.md").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert {name for name in extras if not name.startswith("dev")} <= named
    targets = set(re.findall(r"`make (\w+)`", page))
    assert targets <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_workflow_runs_what_must_pass() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert {"run": ".ci/run"} in workflow["jobs"]["all"]["steps"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    for form in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(form.read_text()), form
