"""The experiments as functions on files: pre-train, fine-tune, linear, evaluate, calibrate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from twinsign.distributed import rank_info
from twinsign.evaluation.calibrate import fit_calibration
from twinsign.inference.shift import training_statistics
from twinsign.nn.classifier import Classifier
from twinsign.pack.open import Pack
from twinsign.pack.selection import (
    ClipSelection,
    LabelledRows,
    sample_rows,
    select_pretraining,
    select_training,
)
from twinsign.report.run_page import complete_report, write_pretraining_page, write_val_report
from twinsign.runs.models import NO_PRETRAINING, branches_of, evaluation_loader
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import REPORT, TRAINING_STATISTICS, Run, load_run, run_lock, save_config, save_run
from twinsign.runs.training_clips import save_training_clips
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train.callbacks import Journal
from twinsign.train.fit import can_resume, fit, load_best
from twinsign.train.launch import on_all_devices, take_threads
from twinsign.train.linear import fit_linear
from twinsign.train.monitor import Monitor
from twinsign.train.precision import resolve_precision, training_device
from twinsign.train.prepare import (
    classifier_run,
    initial_encoders,
    matches_finished_run,
    rank_part,
    read_as_learnt,
    start_at_class_means,
    training_loader,
    whiten_embeddings,
    with_initial_run,
)
from twinsign.train.tasks import ClassifyModule, PretrainModule, TrainingModule
from twinsign.train.warm_start import load_initial
from twinsign.views.batches import ClipLoader, ClipReader, build_mixture


@on_all_devices
def pretrain(
    recipe: Recipe,
    data: Sequence[str | Path],
    out: str | Path,
    *,
    config: str = "",
    seed: int = 0,
    where: Sequence[str] = (),
    keep_out: Sequence[str | Path] = (),
    init: str | Path = NO_PRETRAINING,
    page: bool = True,
) -> Run:
    """Pre-train on every clip outside val and test; `keep_out` packs' val and test clips stay out too (Sec. IV-A).

    Examples:
        >>> from dataclasses import replace
        >>> import twinsign as ts
        >>> recipe = ts.load_recipe("demo")
        >>> recipe = replace(recipe, trainer=replace(recipe.trainer, progress=False))
        >>> recipe = replace(recipe, pretrain=replace(recipe.pretrain, steps=2))
        >>> run = ts.pretrain(recipe, ["packs/signs.pack"], "runs/two_steps")
        >>> (run.path / "report.html").is_file(), ts.load(run.path).width
        (True, 128)
    """
    out = Path(out)
    pack = Pack(data)
    rows = select_pretraining(pack, [Pack(path) for path in keep_out], where)
    rows = sample_rows(rows, recipe.pretrain.fraction, seed)
    recipe = read_as_learnt(recipe, pack, rows, recipe.pretrain.augment.mirrors)
    about = {"protocol": "pretrain", "config": config, "seed": seed, "data": [str(path) for path in data]}
    about |= {"where": list(where), "clips": len(rows), "rows_hash": pack.split_hash(rows)}
    about |= {TRAINING_STATISTICS: training_statistics(pack, rows, recipe.read)}
    about |= {"init": str(init)} if str(init) != NO_PRETRAINING else {}  # absent in the runs of earlier versions
    run = with_initial_run(Run(out, "pretrained", recipe, about=about), init)
    mixture = build_mixture(pack, rows, recipe.pretrain.weights, seed)
    with run_lock(out):
        if matches_finished_run(run):
            if page and rank_info().first and not (out / REPORT).is_file():
                write_pretraining_page(load_run(out), pack)
            return load_run(out)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Pretrainer(recipe.encoder, recipe.objective)
        load_initial(model, init)
        loader = training_loader(ClipReader(pack, rows, recipe.read), recipe.pretrain.batch_size, seed, recipe, mixture)
        epochs = recipe.pretrain.epochs
        if recipe.pretrain.steps is not None:
            epochs = max(1, round(recipe.pretrain.steps * recipe.trainer.accumulate / len(loader)))
        journal = Journal(out, Monitor(model, pack, rows, recipe), recipe.pretrain.monitor_every)
        task = PretrainModule(model, recipe.pretrain, seed)
        run = _train(run, task, loader, None, epochs, recipe.pretrain.optimiser.clip, journal)
        if rank_info().first:
            whitening = whiten_embeddings(model.query_encoders(), pack, rows, recipe, mixture, seed)
            save_run(run, nn.ModuleDict({**model.query_weights(), **whitening}))
            if page:
                write_pretraining_page(run, pack)
    return run


@on_all_devices
def finetune(
    recipe: Recipe,
    init: str | Path,
    clips: ClipSelection,
    out: str | Path,
    *,
    config: str = "",
    seed: int = 0,
    page: bool = True,
) -> Run:
    """Train a whole classifier from a RUN's encoders or from scratch; keep the best epoch on val (Sec. III-E, IV-A).

    Examples:
        >>> from dataclasses import replace
        >>> import twinsign as ts
        >>> recipe = ts.load_recipe("demo")
        >>> recipe = replace(recipe, trainer=replace(recipe.trainer, progress=False))
        >>> recipe = replace(recipe, finetune=replace(recipe.finetune, epochs=1))
        >>> run = ts.finetune(recipe, "none", ts.ClipSelection(["packs/signs.pack"]), "runs/one_epoch")
        >>> ts.load(run.path).labels == run.labels
        True
    """
    out = Path(out)
    pack, train, val, glosses = select_training(clips, seed)
    run = classifier_run(recipe, "finetune", init, clips, out, config, seed, (pack, train, val, glosses))
    recipe, chosen = run.recipe, recipe.finetune
    with run_lock(out):
        if matches_finished_run(run):
            return complete_report(load_run(out), pack, val, page)
        reader = ClipReader(pack, train.rows, recipe.read, train.labels.tolist())
        encoders = initial_encoders(recipe, init, reader, seed, clips.strict)
        run = with_initial_run(run, init)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifier = Classifier(recipe.encoder, chosen.head, len(glosses))
        classifier.encoders.load_state_dict(branches_of(encoders, chosen.head.branches, init).state_dict())
        journal = Journal(out)
        if chosen.head.start == "means" and not can_resume(out):
            start_at_class_means(classifier, reader, recipe)
        loader = training_loader(reader, chosen.batch_size, seed, recipe)
        watched = val if chosen.select == "best" else None
        held = evaluation_loader(pack, watched.rows, recipe, watched.labels, rank_part(watched)) if watched else None
        task = ClassifyModule(classifier, recipe, seed)
        run = _train(run, task, loader, held, chosen.epochs, chosen.optimiser.clip, journal)
        if not rank_info().first:
            return run
        if watched:
            load_best(task, out)
        save_training_clips(out, pack, train.rows)
        return _finish_classifier(run, classifier.eval(), pack, val, page)


def linear(
    recipe: Recipe,
    init: str | Path,
    clips: ClipSelection,
    out: str | Path,
    *,
    config: str = "",
    seed: int = 0,
    page: bool = True,
) -> Run:
    """Train a linear layer on frozen encoders of a RUN, or of none: the random control (paper, Sec. IV-D).

    Examples:
        >>> import twinsign as ts
        >>> clips = ts.ClipSelection(["packs/signs.pack"])
        >>> run = ts.linear(ts.load_recipe("demo"), "none", clips, "runs/random_linear")  # the control
        >>> ts.load(run.path).labels == run.labels
        True
    """
    out = Path(out)
    take_threads(recipe.trainer)
    pack, train, val, glosses = select_training(clips, seed)
    run = classifier_run(recipe, "linear", init, clips, out, config, seed, (pack, train, val, glosses))
    recipe = run.recipe
    with run_lock(out):
        if matches_finished_run(run):
            return complete_report(load_run(out), pack, val, page)
        started = time.monotonic()
        save_config(run)
        reader = ClipReader(pack, train.rows, recipe.read, train.labels.tolist())
        held = ClipReader(pack, val.rows, recipe.read, val.labels.tolist()) if val else None
        encoders = initial_encoders(recipe, init, reader, seed, clips.strict)
        run = with_initial_run(run, init)
        rows: list[dict[str, Any]] = []
        chosen = branches_of(encoders, recipe.linear.head.branches, init).to(training_device(recipe))
        classifier = fit_linear(chosen, reader, held, recipe, len(glosses), seed, rows.append)
        Journal(out).write_all(rows)
        run = replace(run, about={**run.about, "minutes": round((time.monotonic() - started) / 60, 2)})
        save_training_clips(out, pack, train.rows)
        return _finish_classifier(run, classifier, pack, val, page)


def _train(
    run: Run,
    task: TrainingModule,
    train: ClipLoader,
    val: ClipLoader | None,
    epochs: int,
    clip: float | None,
    journal: Journal,
) -> Run:
    run = resolve_precision(run)
    if rank_info().first:
        save_config(run)
    fit(task, train, val, run.path, run.recipe.trainer, epochs, clip, journal)
    return replace(run, about={**run.about, "minutes": round(journal.minutes(), 2)})


def _finish_classifier(run: Run, classifier: Classifier, pack: Pack, val: LabelledRows | None, page: bool) -> Run:
    """Calibrate on val, write the run and its page."""
    if val is None:
        save_run(run, classifier)
        return run
    scored, fitted = fit_calibration(run, classifier, pack, val, ["val"], run.recipe.abstain)
    run = replace(run, about={**run.about, "calibration": asdict(fitted)})
    save_run(run, classifier)
    write_val_report(run, pack, val, scored, page)
    return run
