"""The experiments as functions on files: pre-train, fine-tune, linear, evaluate, calibrate."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twinsign.distributed import here
from twinsign.errors import InputError
from twinsign.evaluation.coverage import among_learnt
from twinsign.evaluation.evaluate import full_report, in_order, load_classifier, score
from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.open_set import apart, ask_unknown, fitted_on
from twinsign.inference.likeness import with_likeness
from twinsign.inference.shift import check_shift, learnt_from
from twinsign.nn.classifier import Classifier
from twinsign.nn.features import fastest_device
from twinsign.pack.open import Pack
from twinsign.pack.selection import Asked, Labelled, labelled, pretraining_rows, share_of_rows
from twinsign.report.run_page import classifier_page, completed, pretraining_page, report_on_val
from twinsign.runs.recipe import Recipe, SureConfig
from twinsign.runs.run import CALIBRATED, LEARNT_FROM, REPORT, Run, load_run, save_about, save_config, save_run
from twinsign.runs.training_clips import keep_learnt
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train.fit import (
    ClassifyTask,
    Journal,
    PretrainTask,
    Task,
    can_go_on,
    fit,
    load_best,
    on_all_devices,
    take_threads,
)
from twinsign.train.linear import fit_linear
from twinsign.train.monitor import Monitor
from twinsign.train.prepare import (
    NOTHING,
    Clips,
    begin_at_means,
    branches_of,
    classifier_run,
    finished,
    labelled_clips,
    owned,
    part_of,
    read_as_learnt,
    settled,
    started_from,
    starting_encoders,
    training_device,
    training_loader,
)
from twinsign.train.warm_start import begin_from
from twinsign.views.batches import ClipLoader, ClipReader
from twinsign.views.mixture import mixture_of


@on_all_devices
def pretrain(
    recipe: Recipe,
    data: Sequence[str | Path],
    out: Path,
    *,
    config: str = "",
    seed: int = 0,
    where: Sequence[str] = (),
    keep_out: Sequence[str | Path] = (),
    init: str | Path = NOTHING,
    page: bool = True,
) -> Run:
    """Pre-train on every clip outside val and test; `keep_out` packs' val and test clips stay out too (Sec. IV-A)."""
    pack = Pack(data)
    rows = pretraining_rows(pack, [Pack(path) for path in keep_out], where)
    rows = share_of_rows(rows, recipe.pretrain.fraction, seed)
    recipe = read_as_learnt(recipe, pack, rows, recipe.pretrain.augment.mirrors)
    about = {"protocol": "pretrain", "config": config, "seed": seed, "data": [str(path) for path in data]}
    about |= {"where": list(where), "clips": len(rows), "rows_hash": pack.split_hash(rows)}
    about |= {LEARNT_FROM: learnt_from(pack, rows, recipe.read)}
    about |= {"init": str(init)} if str(init) != NOTHING else {}  # absent in the runs of earlier versions
    run = started_from(Run(out, "pretrained", recipe, about=about), init)
    mixture = mixture_of(pack, rows, recipe.pretrain.weights, seed)
    with owned(out):
        if finished(run):
            if page and here().first and not (out / REPORT).is_file():
                pretraining_page(load_run(out), pack)
            return load_run(out)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Pretrainer(recipe.encoder, recipe.objective)
        begin_from(model, init)
        loader = training_loader(ClipReader(pack, rows, recipe.read), recipe.pretrain.batch_size, seed, recipe, mixture)
        epochs = recipe.pretrain.epochs
        if recipe.pretrain.steps is not None:
            epochs = max(1, round(recipe.pretrain.steps * recipe.trainer.accumulate / len(loader)))
        journal = Journal(out, Monitor(model, pack, rows, recipe), recipe.pretrain.monitor_every)
        task = PretrainTask(model, recipe.pretrain, seed)
        run = _train(run, task, loader, None, epochs, recipe.pretrain.optimiser.clip, journal)
        if here().first:
            save_run(run, model.query_weights())
            if page:
                pretraining_page(run, pack)
    return run


@on_all_devices
def finetune(
    recipe: Recipe, init: str | Path, clips: Clips, out: Path, *, config: str = "", seed: int = 0, page: bool = True
) -> Run:
    """Train a whole classifier from a RUN's encoders or from scratch; keep the best epoch on val (Sec. III-E, IV-A)."""
    pack, train, val, glosses = labelled_clips(clips, seed)
    run = classifier_run(recipe, "finetune", init, clips, out, config, seed, (pack, train, val, glosses))
    recipe, chosen = run.recipe, recipe.finetune
    with owned(out):
        if finished(run):
            return completed(load_run(out), pack, val, page)
        reader = ClipReader(pack, train.rows, recipe.read, train.labels.tolist())
        encoders = starting_encoders(recipe, init, reader, seed, clips.strict)
        run = started_from(run, init)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifier = Classifier(recipe.encoder, chosen.head, len(glosses))
        classifier.encoders.load_state_dict(branches_of(encoders, chosen.head.branches, init).state_dict())
        journal = Journal(out)
        if chosen.head.start == "means" and not can_go_on(out):
            begin_at_means(classifier, reader, recipe)
        loader = training_loader(reader, chosen.batch_size, seed, recipe)
        watched = val if chosen.select == "best" else None
        held = in_order(pack, watched.rows, recipe, watched.labels, part_of(watched)) if watched else None
        task = ClassifyTask(classifier, recipe, seed)
        run = _train(run, task, loader, held, chosen.epochs, chosen.optimiser.clip, journal)
        if not here().first:
            return run
        if watched:
            load_best(task, out)
        keep_learnt(out, pack, train.rows)
        return _finish_classifier(run, classifier.eval(), pack, val, page)


def linear(
    recipe: Recipe, init: str | Path, clips: Clips, out: Path, *, config: str = "", seed: int = 0, page: bool = True
) -> Run:
    """Train a linear layer on frozen encoders of a RUN, or of none: the random control (paper, Sec. IV-D)."""
    take_threads(recipe.trainer)
    pack, train, val, glosses = labelled_clips(clips, seed)
    run = classifier_run(recipe, "linear", init, clips, out, config, seed, (pack, train, val, glosses))
    recipe = run.recipe
    with owned(out):
        if finished(run):
            return completed(load_run(out), pack, val, page)
        started = time.monotonic()
        save_config(run)
        reader = ClipReader(pack, train.rows, recipe.read, train.labels.tolist())
        held = ClipReader(pack, val.rows, recipe.read, val.labels.tolist()) if val else None
        encoders = starting_encoders(recipe, init, reader, seed, clips.strict)
        run = started_from(run, init)
        rows: list[dict[str, Any]] = []
        chosen = branches_of(encoders, recipe.linear.head.branches, init).to(training_device(recipe))
        classifier = fit_linear(chosen, reader, held, recipe, len(glosses), seed, rows.append)
        Journal(out).write_all(rows)
        run = replace(run, about={**run.about, "minutes": round((time.monotonic() - started) / 60, 2)})
        keep_learnt(out, pack, train.rows)
        return _finish_classifier(run, classifier, pack, val, page)


def evaluate(
    model: str | Path,
    clips: Clips,
    splits: list[str] | None,
    *,
    unknown: bool = False,
    stream: bool = False,
    page: Path | None = None,
    pictures: Path | None = None,
) -> tuple[dict[str, Any], Scored]:
    """The contract's report of a classifier on splits (None: all), `unknown` glosses too, as a `stream`; its scores."""
    run = load_run(model)
    classifier = load_classifier(run).to(fastest_device())
    pack = Pack(clips.data)
    rows = pack.select(splits, clips.where)
    rows, others = apart(pack, rows, run.labels) if unknown else (rows, None)
    data = labelled(pack, rows, run.labels, "With --unknown such clips are counted apart.")
    shift = check_shift(run, pack, data.rows, run.recipe.read, clips.strict)
    scored = score(run, classifier, pack, data, stream)
    asked = Asked(splits, clips.where, None if others is None else run.labels, stream)
    report = full_report(scored, run, pack, data, asked) | {"shift": shift}
    if others is not None:
        report["unknown"] = ask_unknown(run, classifier, pack, others, scored, stream)
    if page is not None:
        classifier_page(page, run, pack, data, scored, report, pictures)
    return report, scored


def recalibrate(model: str | Path, clips: Clips, splits: list[str] | None, sure: SureConfig) -> Run:
    """Fit a classifier's temperature and threshold anew, on those clips that it never learnt from (ours)."""
    pack = Pack(clips.data)
    if not os.access(load_run(model).path, os.W_OK):
        raise InputError("a RUN that cannot be written", "one whose config.yaml may be written anew", file=model)
    with owned(Path(model)):
        run = load_run(model)
        classifier = load_classifier(run).to(fastest_device())
        hint = "--where COLUMN=VALUE takes the clips of the model's own signs."
        everything = labelled(pack, pack.select(splits, clips.where), run.labels, hint)
        learnt = among_learnt(run, pack, everything.rows)
        new = np.ones(len(everything.rows), bool) if learnt is None else ~learnt
        if not new.any():
            found = f"{len(new)} clips, all of which the model learnt from"
            raise InputError(found, "clips that are new to it", file=pack.paths[0], hint="Name another --split.")
        data = Labelled(everything.rows[new], everything.labels[new])
        shift = check_shift(run, pack, data.rows, run.recipe.read, clips.strict)
        _, fitted = fitted_on(run, classifier, pack, data, splits, sure)
        run = with_likeness(run, pack, data.rows)
        on: dict[str, Any] = {"data": [str(name) for name in pack.given], "split": splits}
        on |= {"where": clips.where, "clips": len(data.rows), "left_out": None if learnt is None else int(learnt.sum())}
        on |= {"split_hash": pack.split_hash(data.rows), "shift": shift, "digest": run.vectors_digest()}
        run = replace(run, about={**run.about, "calibration": asdict(fitted), CALIBRATED: on})
        save_about(run)
    return run


def _train(
    run: Run, task: Task, train: ClipLoader, val: ClipLoader | None, epochs: int, clip: float | None, journal: Journal
) -> Run:
    run = settled(run)
    if here().first:
        save_config(run)
    fit(task, train, val, run.path, run.recipe.trainer, epochs, clip, journal)
    return replace(run, about={**run.about, "minutes": round(journal.minutes(), 2)})


def _finish_classifier(run: Run, classifier: Classifier, pack: Pack, val: Labelled | None, page: bool) -> Run:
    """Calibrate on val, write the run and its page."""
    if val is None:
        save_run(run, classifier)
        return run
    scored, fitted = fitted_on(run, classifier, pack, val, ["val"], run.recipe.sure)
    run = replace(run, about={**run.about, "calibration": asdict(fitted)})
    save_run(run, classifier)
    report_on_val(run, pack, val, scored, page)
    return run
