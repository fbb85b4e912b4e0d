"""The commands that make a RUN: pretrain, finetune, linear, average, ensemble, and convert for released checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twinsign.cli.console import console, parse_numbers, parse_splits, print_report, save_report
from twinsign.cli.options import FieldsOf, LabelledClips, OptionalWords, Positional, Positionals, Words
from twinsign.errors import InputError
from twinsign.runs.recipe import Recipe

NO_THRESHOLD = 'no "not sure" threshold yet: run `twinsign calibrate`'


def pretrain_encoders(
    recipe: Recipe,
    data: Words,
    out: Path,
    where: OptionalWords,
    keep_out: OptionalWords,
    weights: OptionalWords,
    config: str,
    init: str = "none",
    seed: int = 0,
) -> None:
    """Learn from poses without labels: every clip outside val and test.

    Args:
        keep_out: Packs whose val and test clips are left out, by id and by identical poses.
        weights: How often an epoch shows the clips of each pack, a number for each. Default: once.
        init: Finished RUN of pretrain whose weights and banks to start from, for more epochs or other clips.
        seed: Random seed of weights, order and augmentation.
    """
    from twinsign.distributed import rank_info
    from twinsign.runs.run import REPORT
    from twinsign.train import protocols

    if weights:
        recipe = replace(recipe, pretrain=replace(recipe.pretrain, weights=tuple(parse_numbers(weights, "weights"))))
    about: dict[str, Any] = {"config": config, "seed": seed, "where": where, "keep_out": keep_out, "init": init}
    run = protocols.pretrain(recipe, data, out, **about)
    if rank_info().first:
        minutes = run.about["minutes"]
        console.print(f"pre-trained on {run.about['clips']} clips in {minutes} minutes: {run.path / REPORT}")


@dataclass(frozen=True)
class ClassifierTraining:
    """What to train a classifier on, and where to.

    Args:
        init: RUN of pretrain, or `none`: untrained encoders.
        seed: Random seed of the labelled share, weights, order and augmentation.
        split: Splits to evaluate on for --json, joined by commas, or `all`.
        json: JSON file to write the report on that split to.
    """

    init: str
    clips: FieldsOf[LabelledClips]
    out: Path
    seed: int = 0
    split: str = "test"
    json: Path | None = None


def finetune_classifier(recipe: Recipe, training: FieldsOf[ClassifierTraining], config: str) -> None:
    """Train a classifier, encoders and all, from a pre-trained RUN or from scratch."""
    _train_classifier("finetune", recipe, training, config)


def train_linear(recipe: Recipe, training: FieldsOf[ClassifierTraining], config: str) -> None:
    """Train a linear layer on frozen encoders of a pre-trained RUN, or on random ones as a control."""
    _train_classifier("linear", recipe, training, config)


def average_runs(models: Positionals, out: Path) -> None:
    """Make one classifier of several that finetune trained from one RUN with other seeds: the mean of their weights.

    Args:
        models: RUNs of finetune with the same --init, clips and recipe.
        out: Folder of the new RUN.
    """
    from twinsign.train.average import average

    run = average(models, out)
    console.print(f"mean of {len(models)} RUNs in {run.path}")
    console.print(NO_THRESHOLD, highlight=False)


def ensemble_runs(models: Positionals, out: Path) -> None:
    """Make one classifier of several, of whatever networks, that learnt the same clips: their logits are added.

    Args:
        models: RUNs of finetune or linear with the same clips and glosses.
        out: Folder of the new RUN.
    """
    from twinsign.train.ensemble import ensemble

    run = ensemble(models, out)
    console.print(f"{len(models)} RUNs, their logits added, in {run.path}")
    console.print(NO_THRESHOLD, highlight=False)


def convert(checkpoint: Positional[Path], out: Path, labels: Path | None = None) -> None:
    """Convert a checkpoint of the authors' released code into a RUN.

    Args:
        checkpoint: A .pth.tar of the released code, of pre-training or of a classifier.
        out: Folder of the new RUN.
        labels: A classifier's glosses in order: a JSON list, or one per line.
    """
    from twinsign.runs import convert as conversion
    from twinsign.runs.run import CONFIG, load_run

    if (out / CONFIG).is_file() and load_run(out).about.get("checkpoint") != str(checkpoint):
        raise InputError(f"a RUN that was not made of {checkpoint}", "a new folder", file=out)
    converted = conversion.convert(checkpoint, out, labels)
    console.print(f"{converted.run.kind} run in {out}")
    for names, why in (
        (converted.dead, "take no part in the released forward pass"),
        (converted.unused, "are not kept in a RUN"),
    ):
        if names:
            console.print(f"{len(names)} tensors {why}: {', '.join(names[:3])} …")


def _train_classifier(protocol: str, recipe: Recipe, training: ClassifierTraining, config: str) -> None:
    """Train by a function of `train.protocols`, and evaluate where a report is asked for."""
    from twinsign.distributed import rank_info
    from twinsign.evaluation.evaluate import evaluate
    from twinsign.pack.selection import ClipSelection
    from twinsign.runs.run import keep_report
    from twinsign.train import protocols

    clips, train = training.clips, getattr(protocols, protocol)
    run = train(recipe, training.init, clips.select(), training.out, config=config, seed=training.seed)
    if not rank_info().first:
        return
    _print_training(run)
    if training.json:
        report = evaluate(run.path, ClipSelection(clips.data, clips.where), parse_splits(training.split)).report
        print_report(report)
        keep_report(run.path, report)
        save_report(report, training.json)


def _print_training(run: Any) -> None:
    """Print what a classifier was trained on, and its threshold."""
    from twinsign.runs.calibration import NEVER, calibration_of, threshold_in_words

    console.print(f"trained on {run.about['clips']} clips of {run.about['classes']} glosses: {run.path}")
    fitted = calibration_of(run)
    threshold = threshold_in_words(fitted) if fitted else "not fitted without val clips; see `twinsign calibrate`"
    hint = "; `twinsign calibrate` tries other terms" if fitted and fitted.threshold >= NEVER else ""
    console.print(f'"not sure" threshold: {threshold}{hint}', highlight=False, soft_wrap=True)
