"""The figures of the documentation, from one file: python tools/figures.py write | check | add NAME REPORT.json …

docs/lab/figures.json holds measurements, the tables made of them, and sentences that quote them.

    write    fills the tables between `<!-- figures: NAME -->` and `<!-- /figures -->` in README.md and docs/
    check    fails where a table differs, a quoted sentence is gone, or a measurement has no lab page
    add      stores what reports say under NAME: `evaluate --json` or `knn --json`, one per seed, or `compare --json`

In tables and sentences `{NAME}` stands for a measurement with its interval, `{NAME:p}` for one of its fields.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES = Path("docs/lab/figures.json")
_NAME = re.compile(r"\{([^{}:]+)(?::(\w+))?\}")
_TABLE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


def load(root: Path) -> dict[str, Any]:
    """The measurements, tables and quoted sentences."""
    figures: dict[str, Any] = json.loads((root / FIGURES).read_text(encoding="utf-8"))
    return figures


def show(measurement: dict[str, Any]) -> str:
    """A measurement in words: 34.0; 33.9 [30.0, 38.0]; or, of a difference, +7.2 [+1.1, +13.1]."""
    sign = "+" if "difference" in measurement else ""
    value = measurement.get("difference", measurement.get("top1"))
    if value is None:
        return "; ".join(f"{seed:.1f}" for seed in measurement["seeds"])
    interval = measurement.get("interval95")
    bounds = f" [{interval[0]:{sign}.1f}, {interval[1]:{sign}.1f}]" if interval else ""
    return f"{value:{sign}.1f}{bounds}"


def fill(text: str, measurements: dict[str, Any]) -> str:
    """A text with every {NAME} replaced by its measurement, {NAME:field} by that field."""

    def replace(match: re.Match[str]) -> str:
        measurement = measurements[match[1]]
        return str(measurement[match[2]]) if match[2] else show(measurement)

    return _NAME.sub(replace, text)


def table(name: str, figures: dict[str, Any]) -> str:
    """A table in Markdown."""
    columns, rows = figures["tables"][name]["columns"], figures["tables"][name]["rows"]
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(fill(cell, figures['measurements']) for cell in line)} |\n" for line in lines)


def pages(root: Path) -> list[Path]:
    """The pages that may hold tables."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def filled(page: str, figures: dict[str, Any]) -> str:
    """A page with its tables as the figures have them."""
    return _TABLE.sub(lambda match: match[1] + table(match[2], figures) + match[3], page)


def plain(text: str) -> str:
    """A text on one line, without the comment signs of YAML."""
    return " ".join(re.sub(r"^\s*#", "", text, flags=re.MULTILINE).split())


def problems(root: Path) -> list[str]:
    """What disagrees with the figures, a line each."""
    figures, found = load(root), []
    used = set()
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        used |= {name for _, name, _ in _TABLE.findall(text)}
        if filled(text, figures) != text:
            found.append(f"{page.relative_to(root)}: a table differs from {FIGURES}: python tools/figures.py write")
    found += [f"{FIGURES}: no page shows the table {name}" for name in figures["tables"] if name not in used]
    for quoted in figures["quoted"]:
        sentence = fill(quoted["text"], figures["measurements"])
        if plain(sentence) not in plain((root / quoted["file"]).read_text(encoding="utf-8")):
            found.append(f"{quoted['file']}: does not say: {sentence}")
    for name, measurement in figures["measurements"].items():
        lab = root / "docs/lab" / f"{measurement['lab']}.md"
        if not lab.is_file():
            found.append(f"{FIGURES}: {name}: no page {lab.relative_to(root)}")
    return found


def measure(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """A measurement from reports of `evaluate` or `knn`, one per seed, or from one report of `compare`."""
    first = reports[0]
    if "difference" in first:
        test = first.get("mcnemar") or first["sign_flip"]
        difference = first["difference"]["per_instance"]["top1"]
        interval = first["interval95"]["per_instance.top1"]
        return {"difference": difference, "interval95": interval, "p": f"{test['p']:.2g}", "clips": first["clips"]}
    if len({(report["clips"], report["split_hash"]) for report in reports}) > 1:
        sys.exit("reports of different clips")
    seeds = [report["per_instance"]["top1"] for report in reports]
    known = {"clips": first["clips"], "classes": first["classes"], "split_hash": first["split_hash"]}
    if len(seeds) == 1:
        return {"top1": seeds[0], "interval95": first["interval95"]["per_instance.top1"], **known}
    return {"top1": round(sum(seeds) / len(seeds), 2), "seeds": seeds, **known}


def save(figures: dict[str, Any], root: Path) -> None:
    """Write the figures, one measurement a line."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in figures["measurements"].items())
    rest = {key: value for key, value in figures.items() if key not in ("about", "measurements")}
    tail = json.dumps(rest, indent=1, ensure_ascii=False).removeprefix("{\n")
    text = f'{{\n "about": {json.dumps(figures["about"])},\n "measurements": {{\n{lines}\n }},\n{tail}\n'
    (root / FIGURES).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the tables, check them, or add a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "check", "add"))
    parser.add_argument("name", nargs="?", help="a measurement, such as wlasl100/all/pretrained")
    parser.add_argument("reports", nargs="*", type=Path)
    parser.add_argument("--lab", help="its lab page: a file name in docs/lab without .md")
    given = parser.parse_args(arguments)
    if given.what == "check":
        found = problems(root)
        print("\n".join(found) or "tables and quoted sentences agree with the figures")
        return int(bool(found))
    figures = load(root)
    if given.what == "add":
        if not given.name or not given.reports or not given.lab:
            parser.error("add wants NAME, one report or more, and --lab PAGE")
        reports = [json.loads(path.read_text(encoding="utf-8")) for path in given.reports]
        figures["measurements"][given.name] = {**measure(reports), "lab": given.lab}
        save(figures, root)
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        if (new := filled(text, figures)) != text:
            page.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
