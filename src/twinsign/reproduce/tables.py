"""An experiment's summary as tables to print, to paste and to put on a page: ours beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twinsign.report.html import Cell, Table

WORDS = {"per_instance": "per instance", "per_class": "per class"}


def tables(found: Mapping[str, Any], brief: bool = False) -> list[Table]:
    """A table for each of our columns, and one of the paper's numbers where its columns are others.

    `brief`, for a terminal: ours alone, their first measure, beside the paper's first column.
    """
    named = list(dict.fromkeys(name for row in found["rows"] for name in row["paper"]))
    filled = [column for column in found["columns"] if any(column in row["ours"] for row in found["rows"])]
    measures = found["measures"][:1] if brief else found["measures"]
    others = named[:1] if brief else []
    made = [_table(found, column, measures, [column] if column in named else others) for column in filled]
    if named and not brief and not {*named} <= {*filled}:
        rows = [
            [row["name"], *(_of_the_paper(found, row, name, len(measures)) for name in named)]
            for row in found["rows"]
            if row["paper"]
        ]
        caption = f"Quoted from the paper, in percent: {', '.join(map(_measure, measures))}."
        made.append(Table(f"{found['title']}: the paper's numbers", ["", *named], rows, caption))
    return made


def markdown(table: Table) -> str:
    """A table in Markdown, its caption beneath."""
    lines = [_line(table.header), "|" + "---|" * len(table.header), *map(_line, table.rows)]
    return "\n".join([f"**{table.title}**", "", *lines, "", table.caption, ""])


def _line(cells: Sequence[Cell]) -> str:
    return "| " + " | ".join("" if cell is None else str(cell).replace("|", "\\|") for cell in cells) + " |"


def _table(found: Mapping[str, Any], column: str, measures: Sequence[str], beside: Sequence[str]) -> Table:
    compared = any("difference" in row["ours"].get(column, {}) for row in found["rows"])
    header = ["", *(_measure(name) for name in measures)]
    header += ["by seed"] if len(found["seeds"]) > 1 else []
    header += ["difference", "from", "p"] if compared else []
    header += [f"paper, {name}" for name in beside]
    rows = []
    for row in found["rows"]:
        entry = row["ours"].get(column)
        cells: list[Cell] = [row["name"], *(None if entry is None else _with_interval(entry, one) for one in measures)]
        if len(found["seeds"]) > 1:
            cells.append(entry and ", ".join(f"{one:.1f}" for one in entry["per_instance_top1_by_seed"]))
        if compared:
            cells += (
                [None, None, None] if entry is None or "difference" not in entry else _difference(entry["difference"])
            )
        rows.append([*cells, *(_of_the_paper(found, row, name, len(measures)) for name in beside)])
    return Table(f"{found['title']}: {column}", header, rows, _caption(found, column, compared))


def _of_the_paper(found: Mapping[str, Any], row: Mapping[str, Any], name: str, count: int) -> Cell:
    """The paper's numbers of a row and column, with as many decimals as it gives in that column."""
    if name not in row["paper"]:
        return None
    printed = [one for other in found["rows"] for one in other["paper"].get(name, []) if one is not None]
    digits = 1 if all(round(one, 1) == one for one in printed) else 2
    return " / ".join("–" if one is None else f"{one:.{digits}f}" for one in row["paper"][name][:count])


def _with_interval(entry: Mapping[str, Any], measure: str) -> str:
    kind, top = measure.split(".")
    low, high = entry["interval95"][measure]
    return f"{entry[kind][top]:.1f} [{low:.1f}, {high:.1f}]"


def _difference(found: Mapping[str, Any]) -> list[Cell]:
    low, high = found["interval95"]["per_instance.top1"]
    p = found["mcnemar"]["p"] if "mcnemar" in found else found["sign_flip"]["p"]
    change = f"{found['difference']['per_instance']['top1']:+.1f} [{low:+.1f}, {high:+.1f}]"
    return [change, found["from"], f"{p:.2g}"]


def _measure(name: str) -> str:
    kind, top = name.split(".")
    return f"{top.replace('top', 'top-')} {WORDS[kind]}"


def _caption(found: Mapping[str, Any], column: str, compared: bool) -> str:
    entries = [row["ours"][column] for row in found["rows"] if column in row["ours"]]
    first, seeds = entries[0], len(found["seeds"])
    words = f"{' and '.join(found['protocols'])}; {first['clips']:,} clips of {first['classes']} classes "
    words += f"({', '.join(found['splits'])}; split hash {first['split_hash']}), chosen among {first['label_count']}. "
    if seeds > 1:
        words += (
            f"In percent, [95 % interval] by bootstrap over clips and {seeds} seeds, each with its own pre-training."
        )
    else:
        words += (
            "In percent, [95 % interval] over clips (Wilson's; per class by bootstrap): one seed, one pre-training."
        )
    if compared:
        words += " Difference: top-1 per instance, paired by clip; p of "
        words += "the sign-flip test over clips" if seeds > 1 else "McNemar's exact test"
        words += ": it is about these trained models on these clips, not about trainings with other seeds, and not"
        words += " corrected for the number of rows."
    if any(entry["selected_on"] for entry in entries):
        chosen = ", ".join(sorted({one for entry in entries for one in entry["selected_on"] or []}))
        words += f" Epochs were selected on {chosen}: no test result."
    return words
