"""tools/figures.py: pages, recipes and tables say what docs/lab/figures.json says, and reports can be added to it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "tools" / "figures.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


figures = module()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the figures are quoted in."""
    quoted = {entry["file"] for entry in figures.load(ROOT)["quoted"]}
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    for name in ["README.md", *quoted]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def report(top1: float, split_hash: str = "ab") -> dict[str, Any]:
    interval = {"per_instance.top1": [top1 - 5, top1 + 5]}
    return {
        "per_instance": {"top1": top1},
        "interval95": interval,
        "clips": 265,
        "classes": 98,
        "split_hash": split_hash,
    }


def test_pages_and_recipes_say_what_was_measured() -> None:
    assert figures.problems(ROOT) == []


def test_a_changed_figure_is_found_wherever_it_is_quoted_and_written_into_tables(tree: Path) -> None:
    assert figures.main(["check"], tree) == 0
    changed = figures.load(tree)
    changed["measurements"]["wlasl100/all/conv_gru"]["top1"] = 11.1
    figures.save(changed, tree)
    found = figures.problems(tree)
    assert any(line.startswith("docs/results.md: a table") for line in found)
    assert any(line.startswith("src/twinsign/runs/recipes/conv_gru.yaml: does not say") for line in found)
    assert figures.main(["write"], tree) == 0
    assert "| 11.1 |" in (tree / "docs/results.md").read_text()
    assert not any("table" in line for line in figures.problems(tree))


def test_a_table_that_no_page_shows_and_a_lost_lab_page_are_found(tree: Path) -> None:
    changed = figures.load(tree)
    changed["tables"]["nowhere"] = {"columns": ["a"], "rows": []}
    changed["measurements"]["new"] = {"top1": 1.0, "lab": "2020-01-01-none"}
    figures.save(changed, tree)
    found = "\n".join(figures.problems(tree))
    assert "no page shows the table nowhere" in found
    assert "new: no page docs/lab/2020-01-01-none.md" in found


def test_reports_of_seeds_one_report_and_a_comparison_become_measurements(tree: Path) -> None:
    files = []
    for seed, top1 in enumerate((50.0, 60.0)):
        files.append(tree / f"{seed}.json")
        files[-1].write_text(json.dumps(report(top1)))
    lab = ["--lab", "2026-12-01-demo"]
    assert figures.main(["add", "seeds", *map(str, files), *lab], tree) == 0
    assert figures.main(["add", "one", str(files[0]), *lab], tree) == 0
    comparison = {"difference": {"per_instance": {"top1": 2.5}}, "interval95": {"per_instance.top1": [-1.0, 6.0]}}
    (tree / "c.json").write_text(json.dumps({**comparison, "clips": 265, "sign_flip": {"p": 0.0123}}))
    assert figures.main(["add", "gain", str(tree / "c.json"), *lab], tree) == 0
    measured = figures.load(tree)["measurements"]
    assert figures.fill("{seeds}, {one}, {gain} (p {gain:p})", measured) == (
        "55.0, 50.0 [45.0, 55.0], +2.5 [-1.0, +6.0] (p 0.012)"
    )
    files[1].write_text(json.dumps(report(60.0, split_hash="cd")))
    with pytest.raises(SystemExit, match="different clips"):
        figures.main(["add", "mixed", *map(str, files), *lab], tree)
