"""A grid of experiments: each cell is a RUN and its scores in one folder, computed where missing and kept otherwise.

OUT/runs/ has the RUNs and OUT/cells/ each cell's report (JSON) and scores (NPZ), named by a hash of everything that
determines them, so that experiments in one folder share common cells. The same command in a second process computes
other cells of the same grid.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from twinsign.errors import InUseError
from twinsign.evaluation.evaluate import evaluate
from twinsign.evaluation.score_files import write_scores
from twinsign.files import sha256, write_json
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, select_pretraining
from twinsign.reproduce.plan import Column, Experiment, Protocol, Row, row_recipe
from twinsign.runs.models import NO_PRETRAINING
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import CHECKPOINTS, WEIGHTS, load_run
from twinsign.train import protocols

PRETRAINING = ("read", "windows", "encoder", "objective", "pretrain")
"""Sections of a recipe that determine a pre-training; a classifier also depends on its own section and on `abstain`."""
DETERMINING = ("accumulate", "devices", "num_nodes", "precision", "sync_norms")
"""Fields of the trainer that determine what is learnt, not only how fast."""
WAIT = 5.0
"""Seconds between checks of cells that another process computes."""


@dataclass(frozen=True)
class GridInputs:
    """What a grid depends on besides its experiment; `data`: packs to evaluate on, `splits`: those that report."""

    recipe: Recipe
    config: str
    data: tuple[str, ...]
    pretrain_on: tuple[str, ...]
    columns: dict[str, Column]
    splits: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path
    protocol: Protocol | None = None
    """How rows are evaluated; None: as their experiment says."""

    def fingerprint(self) -> tuple[str, str]:
        """Hashes of the evaluated clips (with all that determines their use) and of those that pre-training may see."""
        evaluated, pretrained = Pack(list(self.data)), Pack(list(self.pretrain_on))
        conditions = {where for column in self.columns.values() for where in (*column.train, *column.evaluate)}
        names = ["id", "gloss", "split", *sorted({where.split("=")[0] for where in conditions})]
        columns = json.dumps([evaluated.column(name) for name in names], default=str)
        rows = select_pretraining(pretrained, [evaluated])
        ids = json.dumps(pretrained.table["id"].take(rows).to_pylist())
        evaluated_hashes = evaluated.pose_hashes(np.arange(len(evaluated)))
        return sha256(columns, *evaluated_hashes), sha256(ids, *pretrained.pose_hashes(rows))


@dataclass(frozen=True)
class Cell:
    """One training and its report: a row on a column with a seed (no column: it is pre-trained only)."""

    row: Row
    protocol: Protocol
    recipe: Recipe
    seed: int
    name: str = ""
    column: Column | None = None

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.row.name, self.name, self.protocol, f"seed {self.seed}"]))


class Grid:
    """An experiment's cells on these inputs, with the paths of their results."""

    def __init__(self, experiment: Experiment, inputs: GridInputs) -> None:
        self.experiment, self.inputs = experiment, inputs
        self.evaluated_hash, self.pretrained_hash = inputs.fingerprint()
        self.cells = list(_cells(experiment, inputs))

    def pretrained(self, cell: Cell) -> Path | None:
        """The RUN that a cell starts from; None: random weights."""
        return None if cell.row.init == "none" else self._run_folder("pretrain", self._pretraining_key(cell))

    def classifier(self, cell: Cell) -> Path:
        """The RUN of a cell's classifier."""
        return self._run_folder(cell.protocol, self._classifier_key(cell))

    def report(self, cell: Cell) -> Path:
        """The path of a cell's report; its scores are beside it, as .npz."""
        key = [*self._classifier_key(cell), json.dumps([self.inputs.splits, cell.column and cell.column.evaluate])]
        return self.inputs.out / "cells" / f"{cell.protocol}-{sha256(*key)}.json"

    def done(self, cell: Cell) -> bool:
        """Whether a cell has all its results."""
        if cell.column is not None:
            return self.report(cell).is_file()
        start = self.pretrained(cell)
        return start is None or (start / WEIGHTS).is_file()

    def compute(self, cell: Cell) -> None:
        """Pre-train, train and report, as far as results are missing; InUseError where another process does so."""
        data, config, start = _absolute(self.inputs.data), Path(self.inputs.config).stem, self.pretrained(cell)
        if start is not None and not (start / WEIGHTS).is_file():
            packs, recipe = _absolute(self.inputs.pretrain_on), _sections_of(cell.recipe, PRETRAINING)
            protocols.pretrain(recipe, packs, start, config=config, seed=cell.seed, keep_out=data, page=False)
            shutil.rmtree(start / CHECKPOINTS, ignore_errors=True)  # a finished RUN needs none
        if cell.column is None:
            return
        column, run, share = cell.column, self.classifier(cell), cell.row.label_fraction
        if not (run / WEIGHTS).is_file():
            train = protocols.linear if cell.protocol == "linear" else protocols.finetune
            recipe = _sections_of(cell.recipe, (*PRETRAINING, cell.protocol, "abstain"))
            clips = ClipSelection(data, column.train, share)
            train(recipe, start or NO_PRETRAINING, clips, run, config=config, seed=cell.seed, page=False)
            shutil.rmtree(run / CHECKPOINTS, ignore_errors=True)
        clips = ClipSelection(data, [*column.train, *column.evaluate])
        report, scores = evaluate(run, clips, list(self.inputs.splits))[:2]
        about = {"row": cell.row.name, "column": cell.name, "seed": cell.seed, "label_fraction": share}
        about["minutes"] = load_run(run).about.get("minutes")
        about["pretrain_minutes"] = None if start is None else load_run(start).about.get("minutes")
        write_scores(self.report(cell).with_suffix(".npz"), scores, report)
        write_json(self.report(cell), report | {"cell": about})

    def run(self, say: Callable[[str], None]) -> None:
        """Compute every missing cell; those that another process computes are awaited at the end."""
        missing = [cell for cell in self.cells if not self.done(cell)]
        busy: list[Cell] = []
        minutes: list[float] = []
        for number, cell in enumerate(missing):
            left, time_left = len(missing) - number, ""
            if minutes:
                expected = left * fmean(minutes)
                time_left = f", about {expected:.0f} min left" if expected >= 1 else ", under a minute left"
            say(f"{cell}: cell {len(self.cells) - left + 1} of {len(self.cells)}{time_left}")
            started, done = time.monotonic(), self.done(cell)
            if not self._try_to_compute(cell):
                busy.append(cell)
            elif not done:
                minutes.append((time.monotonic() - started) / 60)
        if busy:
            say(f"waiting for {len(busy)} cells that another process computes: {busy[0]} …")
        while busy := [cell for cell in busy if not self._try_to_compute(cell)]:
            time.sleep(WAIT)

    def _try_to_compute(self, cell: Cell) -> bool:
        """Whether a cell is done now: no other process computes it."""
        try:
            if not self.done(cell):
                self.compute(cell)
        except InUseError:
            return False
        return True

    def _pretraining_key(self, cell: Cell) -> list[str]:
        """What determines a cell's pre-training, or its random encoders."""
        values = cell.recipe.as_dict()
        sections = json.dumps({name: values[name] for name in PRETRAINING}, sort_keys=True)
        trainer = json.dumps({name: values["trainer"][name] for name in DETERMINING})
        clips = NO_PRETRAINING if cell.row.init == "none" else self.pretrained_hash
        return [sections, trainer, clips, str(cell.seed)]

    def _classifier_key(self, cell: Cell) -> list[str]:
        """What determines a cell's classifier."""
        values = cell.recipe.as_dict()
        sections = json.dumps({name: values[name] for name in (cell.protocol, "abstain")}, sort_keys=True)
        labels = json.dumps([cell.column.train if cell.column else [], cell.row.label_fraction])
        return [*self._pretraining_key(cell), sections, labels, self.evaluated_hash]

    def _run_folder(self, kind: str, key: list[str]) -> Path:
        return self.inputs.out / "runs" / f"{kind}-{sha256(*key)}"


def _cells(experiment: Experiment, inputs: GridInputs) -> Iterator[Cell]:
    """Seed by seed, so that a whole table of one seed is complete before the next begins."""
    for seed in inputs.seeds:
        for row in [row for row in experiment.rows if row.is_trained]:
            protocol, recipe = experiment.protocol_of(row, inputs.protocol), row_recipe(row, inputs.recipe)
            if protocol == "none":
                yield Cell(row, protocol, recipe, seed)
            else:
                yield from (Cell(row, protocol, recipe, seed, *column) for column in inputs.columns.items())


def _sections_of(recipe: Recipe, sections: tuple[str, ...]) -> Recipe:
    """The recipe with defaults in all other sections but the trainer, so that they do not change a RUN."""
    return replace(Recipe(), **{name: getattr(recipe, name) for name in (*sections, "trainer")})


def _absolute(packs: tuple[str, ...]) -> list[str]:
    """Local packs by their full path, so that a RUN does not depend on the working directory."""
    return [name if "://" in name else str(Path(name).resolve()) for name in packs]
