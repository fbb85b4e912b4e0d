"""Fit a finished classifier's temperature and threshold again, on clips that it never learnt from."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.coverage import among_learnt
from twinsign.evaluation.open_set import fit_calibration
from twinsign.inference.likeness import with_likeness
from twinsign.inference.shift import check_shift
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, LabelledRows, labelled_rows
from twinsign.runs.models import load_classifier
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import CALIBRATED, Run, load_run, run_lock, save_about


def recalibrate(model: str | Path, clips: ClipSelection, splits: list[str] | None, abstain: AbstainConfig) -> Run:
    """Fit a classifier's temperature and threshold anew, on those clips that it never learnt from."""
    pack = Pack(clips.data)
    if not os.access(load_run(model).path, os.W_OK):
        raise InputError("a RUN that cannot be written", "one whose config.yaml may be written anew", file=model)
    with run_lock(Path(model)):
        run = load_run(model)
        classifier = load_classifier(run).to(fastest_device())
        hint = "--where COLUMN=VALUE takes the clips of the model's own signs."
        everything = labelled_rows(pack, pack.select(splits, clips.where), run.labels, hint)
        learnt = among_learnt(run, pack, everything.rows)
        new = np.ones(len(everything.rows), bool) if learnt is None else ~learnt
        if not new.any():
            found = f"{len(new)} clips, all of which the model learnt from"
            raise InputError(found, "clips that are new to it", file=pack.paths[0], hint="Name another --split.")
        data = LabelledRows(everything.rows[new], everything.labels[new])
        shift = check_shift(run, pack, data.rows, run.recipe.read, clips.strict)
        _, fitted = fit_calibration(run, classifier, pack, data, splits, abstain)
        run = with_likeness(run, pack, data.rows)
        on: dict[str, Any] = {"data": [str(name) for name in pack.given], "split": splits}
        on |= {"where": clips.where, "clips": len(data.rows), "left_out": None if learnt is None else int(learnt.sum())}
        on |= {"split_hash": pack.split_hash(data.rows), "shift": shift, "digest": run.vectors_digest()}
        run = replace(run, about={**run.about, "calibration": asdict(fitted), CALIBRATED: on})
        save_about(run)
    return run
