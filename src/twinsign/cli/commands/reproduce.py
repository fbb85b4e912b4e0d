"""The command `reproduce`: an experiment of the paper's section IV on any packs.

twinsign reproduce table9 --config small --data wlasl.pack --subsets wlasl100=1 --seeds 0 1 2 --out grid
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from twinsign.cli.console import console, parse_numbers, parse_splits, print_table
from twinsign.cli.options import MYPY, OptionalWords, Positional, Words
from twinsign.errors import InputError
from twinsign.files import write_json, write_text
from twinsign.runs.recipe import Recipe

if MYPY:
    from twinsign.report.html import Picture
    from twinsign.reproduce.plan import Experiment

MOST_SEEDS = 2**32


def reproduce(
    recipe: Recipe,
    experiment: Positional[str],
    data: Words,
    pretrain_on: OptionalWords,
    subsets: OptionalWords,
    seeds: OptionalWords,
    rgb: OptionalWords,
    out: Path,
    config: str,
    split: str = "test",
    protocol: str | None = None,
) -> None:
    """Run an experiment of the paper (table1 … table11, fig3 … fig6), or of a YAML file, and set it beside its numbers.

    Cells that --out already has are not run again; a second process with the same command takes other cells.

    Args:
        experiment: table1 … table11, fig3 … fig6, or a YAML file of that form.
        pretrain_on: Packs to pre-train on, without their val and test clips. Default: those of --data.
        subsets: Columns to fill: COLUMN=VALUE, several joined by commas, or `all`.
        seeds: Random seeds, each with its own pre-training. Default: 0.
        rgb: Another model's score files for the rows (+R): COLUMN=FILE.
        out: Folder of the grid: RUNs, each cell's JSON and scores, and each experiment's page, tables and pictures.
        split: Splits to report on, joined by commas.
        protocol: finetune or linear, for all rows. Default: what the experiment says.
    """
    from twinsign.pack.open import Pack
    from twinsign.pack.selection import HELD_OUT, ClipSelection, labelled_rows, select_training
    from twinsign.reproduce.grid import Grid, GridInputs
    from twinsign.reproduce.pictures import draw_pictures
    from twinsign.reproduce.plan import columns_for, load_experiment
    from twinsign.reproduce.results import check_rgb, collect_scores, parse_rgb_files, summarize
    from twinsign.reproduce.tables import tables

    started = time.monotonic()
    name, plan = load_experiment(experiment)
    if protocol not in (None, "finetune", "linear"):
        raise InputError(f"protocol {protocol!r}", "finetune or linear")
    splits = tuple(parse_splits(split) or ())
    if not splits or not {*splits} <= {*HELD_OUT, "train"}:
        raise InputError(f"split {split}", f"{' or '.join(HELD_OUT)}: clips of others are pre-trained on")
    pack, drawn = Pack(data), _parse_seeds(seeds)
    columns = columns_for(plan, pack, subsets)
    for column in columns.values() if plan.protocol != "none" else ():  # what is wrong shows before hours of work
        _, _, _, glosses = select_training(ClipSelection(data, column.train), drawn[0])
        labelled_rows(pack, pack.select(list(splits), [*column.train, *column.evaluate]), glosses)
    packs = (tuple(data), tuple(pretrain_on or data))
    inputs = GridInputs(recipe, config, *packs, columns, splits, drawn, out, protocol)  # type: ignore[arg-type]
    grid, extra = Grid(plan, inputs), parse_rgb_files(rgb, columns)
    check_rgb(extra, pack, columns, splits)
    name = f"{name}-{protocol}" if protocol else name
    grid.run(console.print)
    scores = collect_scores(grid, extra)
    results = summarize(name, grid, scores, (time.monotonic() - started) / 60)
    for table in tables(results, brief=True):
        print_table(table.title, table.header, table.rows, caption=table.caption)
    write_json(out / f"{name}.json", results)
    _write_pages(out, name, plan, results, draw_pictures(grid, scores, results))
    console.print(f"{name}: {out / f'{name}.html'}")


def _parse_seeds(words: list[str]) -> tuple[int, ...]:
    """Whole numbers, each once; 0 without words."""
    seeds = tuple(int(seed) for seed in parse_numbers(words, "seeds") if seed.is_integer() and 0 <= seed < MOST_SEEDS)
    if len({*seeds}) < len(words):
        raise InputError(f"seeds {' '.join(words)}", "whole numbers from 0, each once: a seed is a training of its own")
    return seeds or (0,)


def _write_pages(out: Path, name: str, plan: Experiment, results: dict[str, Any], figures: list[Picture]) -> None:
    """Write the Markdown, pictures and page of an experiment, each whole or not at all."""
    from twinsign.report.html import write_pictures, write_report
    from twinsign.reproduce.tables import tables, to_markdown

    full = tables(results)
    write_text(out / f"{name}.md", "\n".join(map(to_markdown, full)))
    write_pictures(out, name, figures)
    facts = {
        "Paper": f"Sec. {plan.section}" if plan.section else "no experiment of the paper",
        "Recipe": f"{results['recipe'] or 'defaults'} ({results['recipe_hash']})",
        "Protocol": ", ".join(results["protocols"]),
        "Data": ", ".join(results["data"]),
        "Pre-trained on": ", ".join(results["pretrained_on"]),
        "Splits that report": ", ".join(results["splits"]),
        "Seeds": ", ".join(map(str, results["seeds"])),
        "Cells": f"{results['cells']}, their reports and scores in {out / 'cells'}",
        "Longest pre-training, minutes": str(results["pretrain_minutes"]),
    }
    lead = "Ours on these packs and at this recipe's size; the paper's numbers are of its own data, poses and network."
    write_report(out / f"{name}.html", title=plan.title, lead=lead, facts=facts, tables=full, figures=figures)
