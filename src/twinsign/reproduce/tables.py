"""An experiment's summary as tables for the terminal, Markdown and the page: our results beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twinsign.report.html import Cell, Table


def tables(summary: Mapping[str, Any], brief: bool = False) -> list[Table]:
    """A table for each column with results, and one of the paper's numbers where its columns differ.

    `brief`, for a terminal: results alone, their first measure, beside the paper's first column.
    """
    paper = list(dict.fromkeys(name for row in summary["rows"] for name in row["paper"]))
    filled = [column for column in summary["columns"] if any(column in row["ours"] for row in summary["rows"])]
    measures = summary["measures"][:1] if brief else summary["measures"]
    fallback = paper[:1] if brief else []
    results = [_table(summary, column, measures, [column] if column in paper else fallback) for column in filled]
    if paper and not brief and not {*paper} <= {*filled}:
        rows = [
            [row["name"], *(_paper_cell(summary, row, name, len(measures)) for name in paper)]
            for row in summary["rows"]
            if row["paper"]
        ]
        caption = f"Quoted from the paper, in percent: {', '.join(map(_measure, measures))}."
        results.append(Table(f"{summary['title']}: the paper's numbers", ["", *paper], rows, caption))
    return results


def to_markdown(table: Table) -> str:
    """A table in Markdown, its caption beneath."""

    def line(cells: Sequence[Cell]) -> str:
        return "| " + " | ".join("" if cell is None else str(cell).replace("|", "\\|") for cell in cells) + " |"

    lines = [line(table.header), "|" + "---|" * len(table.header), *map(line, table.rows)]
    return "\n".join([f"**{table.title}**", "", *lines, "", table.caption, ""])


def _table(summary: Mapping[str, Any], column: str, measures: Sequence[str], paper: Sequence[str]) -> Table:
    entries = [row["ours"].get(column) for row in summary["rows"]]
    compared = any(entry and "difference" in entry for entry in entries)
    several = len(summary["seeds"]) > 1
    header = ["", *map(_measure, measures), *(["by seed"] if several else [])]
    header += [*(["difference", "from", "p"] if compared else []), *(f"paper, {name}" for name in paper)]
    rows = []
    for row, entry in zip(summary["rows"], entries, strict=True):
        cells: list[Cell] = [row["name"], *(entry and _with_interval(entry, measure) for measure in measures)]
        if several:
            cells.append(entry and ", ".join(f"{top1:.1f}" for top1 in entry["per_instance_top1_by_seed"]))
        if compared:
            cells += _difference(entry["difference"]) if entry and "difference" in entry else [None, None, None]
        rows.append([*cells, *(_paper_cell(summary, row, name, len(measures)) for name in paper)])
    return Table(
        f"{summary['title']}: {column}", header, rows, _caption(summary, list(filter(None, entries)), compared)
    )


def _paper_cell(summary: Mapping[str, Any], row: Mapping[str, Any], column: str, count: int) -> Cell:
    """The paper's numbers of a row and column, with as many decimals as the paper gives in that column."""
    if column not in row["paper"]:
        return None
    column_values = [value for each in summary["rows"] for value in each["paper"].get(column, []) if value is not None]
    digits = 1 if all(round(value, 1) == value for value in column_values) else 2
    return " / ".join("–" if value is None else f"{value:.{digits}f}" for value in row["paper"][column][:count])


def _with_interval(entry: Mapping[str, Any], measure: str) -> str:
    kind, top = measure.split(".")
    low, high = entry["interval95"][measure]
    return f"{entry[kind][top]:.1f} [{low:.1f}, {high:.1f}]"


def _difference(difference: Mapping[str, Any]) -> list[Cell]:
    low, high = difference["interval95"]["per_instance.top1"]
    change = f"{difference['difference']['per_instance']['top1']:+.1f} [{low:+.1f}, {high:+.1f}]"
    p = difference["mcnemar" if "mcnemar" in difference else "sign_flip"]["p"]
    return [change, difference["from"], f"{p:.2g}"]


def _measure(name: str) -> str:
    kind, top = name.split(".")
    return f"{top.replace('top', 'top-')} {kind.replace('_', ' ')}"


def _caption(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], compared: bool) -> str:
    first, seeds = entries[0], len(summary["seeds"])
    words = f"{' and '.join(summary['protocols'])}; {first['clips']:,} clips of {first['classes']} classes "
    words += (
        f"({', '.join(summary['splits'])}; split hash {first['split_hash']}), chosen among {first['label_count']}. "
    )
    if seeds > 1:
        words += (
            f"In percent, [95 % interval] by bootstrap over clips and {seeds} seeds, each with its own pre-training."
        )
    else:
        words += "In percent, [95 % interval] over clips (Wilson; per class by bootstrap): one seed, one pre-training."
    if compared:
        test = "the sign-flip test over clips" if seeds > 1 else "McNemar's exact test"
        words += (
            f" Difference: top-1 per instance, paired by clip; p of {test}: for these trained models on these clips,"
        )
        words += " not for trainings with other seeds, and not corrected for the number of rows."
    selected = sorted({split for entry in entries for split in entry["selected_on"] or []})
    if selected:
        words += f" Epochs were selected on {', '.join(selected)}: no test result."
    return words
