"""The command `reproduce`: an experiment of the paper's section IV on any packs.

twinsign reproduce table9 --config small --data wlasl.pack --subsets wlasl100=1 --seeds 0 1 2 --out grid
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from twinsign.cli.console import OK, console, parse_numbers, parse_splits
from twinsign.errors import InputError
from twinsign.files import write_json, write_text
from twinsign.pack.open import Pack
from twinsign.pack.selection import HELD_OUT, ClipSelection, labelled_rows, select_training
from twinsign.report.html import Picture, write_pictures, write_report
from twinsign.reproduce.grid import Grid, GridInputs
from twinsign.reproduce.pictures import pictures
from twinsign.reproduce.plan import Experiment, columns_for, load_experiment
from twinsign.reproduce.results import answers, check_rgb, rgb_files, summary
from twinsign.reproduce.tables import markdown, tables
from twinsign.runs.recipe import Recipe

MOST_SEEDS = 2**32


def reproduce(
    recipe: Recipe,
    experiment: str,
    data: list[str],
    pretrain_on: list[str],
    subsets: list[str],
    seeds: list[str],
    rgb: list[str],
    out: Path,
    config: str,
    split: str = "test",
    protocol: str | None = None,
) -> int:
    """Run an experiment of the paper (table1 … table11, fig3 … fig6), or of a YAML file, and set it beside its numbers.

    Cells that --out already has are not run again; a second process with the same command takes other cells.

    Args:
        out: Folder of the grid: RUNs, each cell's JSON and scores, and each experiment's page, tables and pictures.
        split: The splits that report, joined by commas.
        protocol: finetune or linear, for all rows, instead of what the experiment says.
    """
    started = time.monotonic()
    name, plan = load_experiment(experiment)
    if protocol not in (None, "finetune", "linear"):
        raise InputError(f"protocol {protocol!r}", "finetune or linear")
    splits = tuple(parse_splits(split) or ())
    if not splits or not {*splits} <= {*HELD_OUT, "train"}:
        raise InputError(f"split {split}", f"{' or '.join(HELD_OUT)}: clips of others are pre-trained on")
    pack, drawn = Pack(data), _seeds(seeds)
    columns = columns_for(plan, pack, subsets)
    for column in columns.values() if plan.protocol != "none" else ():  # what is wrong shows before hours of work
        _, _, _, glosses = select_training(ClipSelection(data, column.train), drawn[0])
        labelled_rows(pack, pack.select(list(splits), [*column.train, *column.evaluate]), glosses)
    packs = (tuple(data), tuple(pretrain_on or data))
    ground = GridInputs(recipe, config, *packs, columns, splits, drawn, out, protocol)  # type: ignore[arg-type]
    grid, extra = Grid(plan, ground), rgb_files(rgb, columns)
    check_rgb(extra, pack, columns, splits)
    name = f"{name}-{protocol}" if protocol else name
    grid.run(lambda words: console.print(words, markup=False))
    scores = answers(grid, extra)
    found = summary(name, grid, scores, (time.monotonic() - started) / 60)
    _show(found)
    write_json(out / f"{name}.json", found)
    _write(out, name, plan, found, pictures(grid, scores, found))
    console.print(f"{name}: {out / f'{name}.html'}", markup=False)
    return OK


def _seeds(words: list[str]) -> tuple[int, ...]:
    """Whole numbers, each once; 0 where none is given."""
    drawn = tuple(int(one) for one in parse_numbers(words, "seeds") if one.is_integer() and 0 <= one < MOST_SEEDS)
    if len({*drawn}) < len(words):
        raise InputError(f"seeds {' '.join(words)}", "whole numbers from 0, each once: a seed is a training of its own")
    return drawn or (0,)


def _show(found: dict[str, Any]) -> None:
    for one in tables(found, brief=True):
        table = Table(title=one.title, caption=one.caption)
        for name in one.header:
            table.add_column(name, justify="right" if name else "left")
        for row in one.rows:
            table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
        console.print(table)


def _write(out: Path, name: str, plan: Experiment, found: dict[str, Any], figures: list[Picture]) -> None:
    """The experiment's Markdown, pictures and page, each whole or not at all."""
    made = tables(found)
    write_text(out / f"{name}.md", "\n".join(markdown(one) for one in made))
    write_pictures(out, name, figures)
    facts = {
        "Paper": f"Sec. {plan.section}" if plan.section else "no experiment of the paper",
        "Recipe": f"{found['recipe'] or 'defaults'} ({found['recipe_hash']})",
        "Protocol": ", ".join(found["protocols"]),
        "Data": ", ".join(found["data"]),
        "Pre-trained on": ", ".join(found["pretrained_on"]),
        "Splits that report": ", ".join(found["splits"]),
        "Seeds": ", ".join(map(str, found["seeds"])),
        "Cells": f"{found['cells']}, their reports and scores in {out / 'cells'}",
        "Longest pre-training, minutes": str(found["pretrain_minutes"]),
    }
    lead = "Ours on these packs and at this recipe's size; the paper's numbers are of its own data, poses and network."
    write_report(out / f"{name}.html", title=plan.title, lead=lead, facts=facts, tables=made, figures=figures)
