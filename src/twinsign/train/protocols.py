"""The experiments as functions on files: pre-train, fine-tune, linear, evaluate, calibrate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from twinsign.distributed import here
from twinsign.evaluation.open_set import fitted_on
from twinsign.inference.shift import learnt_from
from twinsign.nn.classifier import Classifier
from twinsign.pack.open import Pack
from twinsign.pack.selection import (
    ClipSelection,
    Labelled,
    labelled_clips,
    pretraining_rows,
    share_of_rows,
)
from twinsign.report.run_page import completed, pretraining_page, report_on_val
from twinsign.runs.models import NOTHING, branches_of, in_order
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import LEARNT_FROM, REPORT, Run, load_run, owned, save_config, save_run
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
from twinsign.train.precision import settled, training_device
from twinsign.train.prepare import (
    begin_at_means,
    classifier_run,
    finished,
    part_of,
    read_as_learnt,
    started_from,
    starting_encoders,
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
    recipe: Recipe,
    init: str | Path,
    clips: ClipSelection,
    out: Path,
    *,
    config: str = "",
    seed: int = 0,
    page: bool = True,
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
    recipe: Recipe,
    init: str | Path,
    clips: ClipSelection,
    out: Path,
    *,
    config: str = "",
    seed: int = 0,
    page: bool = True,
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
