"""The documentation site: it builds without a warning, whole, and asks for nothing from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_site_builds_and_is_whole(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = [str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.md")]
    made = [".", "changelog", "contributing", "security", "api/dictionary", "api/errors"]
    for page in [*made, *(page.removesuffix("index") for page in pages)]:
        assert (tmp_path / page / "index.html").is_file(), page
    found = (tmp_path / "api" / "dictionary" / "index.html").read_text(encoding="utf-8")
    assert 'id="twinsign.dictionary.lookup.Dictionary.search"' in found
    assert "fonts.googleapis.com" not in found
    assert 'href="../data/"' in (tmp_path / "paper" / "index.html").read_text(encoding="utf-8"), (
        "files named are linked"
    )
    lab = (tmp_path / "lab" / "2026-11-24-export-and-processes" / "index.html").read_text(encoding="utf-8")
    assert 'href="../../scaling/"' in lab, "from lab pages, too"
