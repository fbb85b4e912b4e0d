"""A grid of experiments: every cell a RUN and its scores in one folder, made where missing, kept where there.

OUT/runs/ has the RUNs and OUT/cells/ each cell's report (JSON) and scores (NPZ), named by a hash of all that decides
them, so that experiments in one folder share what they have in common. The same command in a second process takes
other cells of the same grid.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.errors import InUseError
from twinsign.evaluation.evaluate import evaluate
from twinsign.evaluation.scores import write_scores
from twinsign.files import sha256, write_json
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, select_pretraining
from twinsign.reproduce.plan import Column, Experiment, Protocol, Row, recipe_of
from twinsign.runs.models import NO_PRETRAINING
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import CHECKPOINTS, WEIGHTS, load_run
from twinsign.train import protocols

Say = Callable[[str], None]
PRETRAINING = ("read", "windows", "encoder", "objective", "pretrain")
"""Sections of a recipe that decide a pre-training; a classifier depends on its own section and on `sure`, too."""
DECIDING = ("accumulate", "devices", "num_nodes", "precision", "sync_norms")
"""Fields of the trainer that decide what is learnt."""
WAIT = 5.0
"""Seconds between looks at cells that another process is making."""


@dataclass(frozen=True)
class GridInputs:
    """What a grid stands on: recipe, packs to evaluate on and to pre-train on, columns, splits that report, seeds."""

    recipe: Recipe
    config: str
    data: tuple[str, ...]
    pretrain_on: tuple[str, ...]
    columns: dict[str, Column]
    splits: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path
    protocol: Protocol | None = None
    """How rows are evaluated, where not as their experiment says."""

    def fingerprint(self) -> tuple[str, str]:
        """Hashes of the clips evaluated on (all that decides their use) and of those that pre-training may see."""
        evaluated = Pack(list(self.data))
        conditions = {one for column in self.columns.values() for one in (*column.train, *column.evaluate)}
        names = ["id", "gloss", "split", *sorted({one.split("=")[0] for one in conditions})]
        rows = np.arange(len(evaluated))
        told = json.dumps([evaluated.column(name) for name in names], default=str)
        seen = Pack(list(self.pretrain_on))
        learnt = select_pretraining(seen, [evaluated])
        ids = seen.table["id"].take(learnt).to_pylist()
        return sha256(told, *evaluated.pose_hashes(rows)), sha256(json.dumps(ids), *seen.pose_hashes(learnt))


@dataclass(frozen=True)
class Cell:
    """One training and its report: a row on a column with a seed (no column: it is pre-trained only)."""

    row: Row
    protocol: Protocol
    recipe: Recipe
    seed: int
    name: str = ""
    column: Column | None = None


class Grid:
    """An experiment's cells on a ground, each with the places of what it leaves."""

    def __init__(self, experiment: Experiment, ground: GridInputs) -> None:
        self.experiment, self.ground = experiment, ground
        self.evaluated, self.learnt = ground.fingerprint()
        self.cells = list(_cells(experiment, ground))

    def pretrained(self, cell: Cell) -> Path | None:
        """The RUN that a cell starts from; None: from nothing."""
        if cell.row.init == "none":
            return None
        return self._place("pretrain", self._start(cell))

    def classifier(self, cell: Cell) -> Path:
        """The RUN of a cell's classifier."""
        return self._place(cell.protocol, self._made_of(cell))

    def report(self, cell: Cell) -> Path:
        """A cell's report; its scores are beside it, as .npz."""
        asked = [*self._made_of(cell), json.dumps([self.ground.splits, cell.column and cell.column.evaluate])]
        return self.ground.out / "cells" / f"{cell.protocol}-{sha256(*asked)}.json"

    def done(self, cell: Cell) -> bool:
        """Whether there is nothing left to do for a cell."""
        if cell.column is not None:
            return self.report(cell).is_file()
        start = self.pretrained(cell)
        return start is None or (start / WEIGHTS).is_file()

    def make(self, cell: Cell) -> None:
        """Pre-train, train and report, as far as it is not done; InUseError where another process is at it."""
        start = self.pretrained(cell)
        if start is not None and not (start / WEIGHTS).is_file():
            packs, config = _resolved(self.ground.pretrain_on), Path(self.ground.config).stem
            keep_out, recipe = _resolved(self.ground.data), _only(cell.recipe, PRETRAINING)
            protocols.pretrain(recipe, packs, start, config=config, seed=cell.seed, keep_out=keep_out, page=False)
            shutil.rmtree(start / CHECKPOINTS, ignore_errors=True)  # a finished RUN needs none
        if cell.column is not None:
            self._classify(cell, cell.column, start)

    def _classify(self, cell: Cell, column: Column, start: Path | None) -> None:
        run, data, share = self.classifier(cell), _resolved(self.ground.data), cell.row.label_fraction
        if not (run / WEIGHTS).is_file():
            train = protocols.linear if cell.protocol == "linear" else protocols.finetune
            clips = ClipSelection(data, column.train, share)
            recipe, config = _only(cell.recipe, (*PRETRAINING, cell.protocol, "abstain")), Path(self.ground.config).stem
            train(recipe, start or NO_PRETRAINING, clips, run, config=config, seed=cell.seed, page=False)
            shutil.rmtree(run / CHECKPOINTS, ignore_errors=True)
        asked = ClipSelection(data, [*column.train, *column.evaluate])
        report, scored = evaluate(run, asked, list(self.ground.splits))[:2]
        about = {"row": cell.row.name, "column": cell.name, "seed": cell.seed, "label_fraction": share}
        about["minutes"] = load_run(run).about.get("minutes")
        about["pretrain_minutes"] = None if start is None else load_run(start).about.get("minutes")
        place = self.report(cell)
        write_scores(place.with_suffix(".npz"), scored, report)
        write_json(place, report | {"cell": about})

    def run(self, say: Say) -> None:
        """Make every cell that is missing; those that another process makes are waited for at the end."""
        missing, clock = [cell for cell in self.cells if not self.done(cell)], _Clock()
        busy: list[Cell] = []
        for number, cell in enumerate(missing):
            place = len(self.cells) - len(missing) + number + 1
            say(f"{_title(cell)}: cell {place} of {len(self.cells)}{clock.left(len(missing) - number)}")
            if not self._made(cell, clock):
                busy.append(cell)
        if busy:
            say(f"waiting for {len(busy)} cells that another process makes: {_title(busy[0])} …")
        while busy := [cell for cell in busy if not self.done(cell) and not self._made(cell, clock)]:
            time.sleep(WAIT)

    def _made(self, cell: Cell, clock: _Clock) -> bool:
        """Whether a cell could be made: no other process is at it."""
        try:
            if not self.done(cell):
                with clock:
                    self.make(cell)
        except InUseError:
            return False
        return True

    def _start(self, cell: Cell) -> list[str]:
        """What decides a cell's pre-training, or its random encoders."""
        learnt = NO_PRETRAINING if cell.row.init == "none" else self.learnt
        return [_values(cell.recipe, PRETRAINING), _training(cell.recipe), learnt, str(cell.seed)]

    def _made_of(self, cell: Cell) -> list[str]:
        """What decides a cell's classifier."""
        train = cell.column.train if cell.column else []
        own = [_values(cell.recipe, (cell.protocol, "abstain")), json.dumps([train, cell.row.label_fraction])]
        return [*self._start(cell), *own, self.evaluated]

    def _place(self, kind: str, made_of: list[str]) -> Path:
        return self.ground.out / "runs" / f"{kind}-{sha256(*made_of)}"


class _Clock:
    """How long is left, by the mean of the cells made so far."""

    def __init__(self) -> None:
        self.spent: list[float] = []

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.spent.append(time.monotonic() - self.started)

    def left(self, cells: int) -> str:
        if not self.spent:
            return ""
        minutes = cells * sum(self.spent) / len(self.spent) / 60
        return f", about {minutes:.0f} min left" if minutes >= 1 else ", under a minute left"


def _cells(experiment: Experiment, ground: GridInputs) -> Iterator[Cell]:
    """Seed by seed, so that a whole table of one seed is there before the next begins."""
    for seed in ground.seeds:
        for row in experiment.rows:
            if not row.ours:
                continue
            protocol, recipe = experiment.protocol_of(row, ground.protocol), recipe_of(row, ground.recipe)
            if protocol == "none":
                yield Cell(row, protocol, recipe, seed)
            else:
                for name, column in ground.columns.items():
                    yield Cell(row, protocol, recipe, seed, name, column)


def _only(recipe: Recipe, sections: tuple[str, ...]) -> Recipe:
    """The recipe with its other sections as they are by default, so that a RUN is the same whatever they say."""
    own = {name: getattr(recipe, name) for name in (*sections, "trainer")}
    return replace(Recipe(), **own)


def _training(recipe: Recipe) -> str:
    """What of a trainer decides what is learnt; the rest only how fast."""
    chosen = recipe.as_dict()["trainer"]
    return json.dumps({name: chosen[name] for name in DECIDING})


def _values(recipe: Recipe, sections: tuple[str, ...]) -> str:
    values: dict[str, Any] = recipe.as_dict()
    return json.dumps({name: values[name] for name in sections}, sort_keys=True)


def _resolved(packs: tuple[str, ...]) -> list[str]:
    """Local packs by their full path, so that a RUN is the same one from wherever the command is typed."""
    return [name if "://" in name else str(Path(name).resolve()) for name in packs]


def _title(cell: Cell) -> str:
    return ", ".join([cell.row.name, *([cell.name] if cell.name else []), cell.protocol, f"seed {cell.seed}"])
