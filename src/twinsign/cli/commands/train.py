"""What each training or reporting command does with its options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from twinsign.cli.console import OK, console, parse_numbers, parse_splits, print_report
from twinsign.distributed import rank_info
from twinsign.errors import InputError
from twinsign.evaluation.evaluate import evaluate
from twinsign.files import write_json
from twinsign.pack.selection import ClipSelection
from twinsign.runs import convert as conversion
from twinsign.runs.calibration import NEVER, calibration_of, threshold_in_words
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import CONFIG, REPORT, keep_report, load_run
from twinsign.train import protocols


def pretrain(
    recipe: Recipe,
    data: list[str],
    out: Path,
    where: list[str],
    keep_out: list[str],
    weights: list[str],
    config: str,
    init: str = "none",
    seed: int = 0,
) -> int:
    """Learn from poses without labels: every clip outside val and test.

    Args:
        init: A finished RUN of pretrain whose weights and banks this one begins with, for more epochs or other clips.
        out: The RUN folder; the same command on an unfinished one goes on.
        seed: Of weights, order and augmentation.
    """
    if weights:
        recipe = replace(recipe, pretrain=replace(recipe.pretrain, weights=tuple(parse_numbers(weights, "weights"))))
    about: dict[str, Any] = {"config": config, "seed": seed, "where": where, "keep_out": keep_out, "init": init}
    run = protocols.pretrain(recipe, data, out, **about)
    if not rank_info().first:
        return OK
    console.print(f"pre-trained on {run.about['clips']} clips in {run.about['minutes']} minutes: {run.path / REPORT}")
    return OK


def finetune(
    recipe: Recipe,
    init: str,
    data: list[str],
    out: Path,
    where: list[str],
    strict: bool,
    config: str,
    label_fraction: float = 1.0,
    labels_per_class: int | None = None,
    seed: int = 0,
    split: str = "test",
    json: Path | None = None,
) -> int:
    """Train a classifier, encoders and all, from a pre-trained RUN or from scratch.

    Args:
        init: RUN of pretrain, or `none`: from scratch.
        out: The RUN folder; the same command on an unfinished one goes on.
        label_fraction: Share of each gloss's train clips that keep their label.
        labels_per_class: How many train clips of each gloss keep their label, instead of a share.
        seed: Of the share, weights, order and augmentation.
        split: The split that reports into --json.
        json: Where to write the report on that split.
    """
    clips = ClipSelection(data, where, label_fraction, labels_per_class, strict)
    run = protocols.finetune(recipe, init, clips, out, config=config, seed=seed)
    return _after_training(run, clips, split, json)


def linear(
    recipe: Recipe,
    init: str,
    data: list[str],
    out: Path,
    where: list[str],
    strict: bool,
    config: str,
    label_fraction: float = 1.0,
    labels_per_class: int | None = None,
    seed: int = 0,
    split: str = "test",
    json: Path | None = None,
) -> int:
    """Train a linear layer on frozen encoders of a pre-trained RUN, or of none: the random control.

    Args:
        init: RUN of pretrain, or `none`: a random encoder.
        out: The RUN folder.
        label_fraction: Share of each gloss's train clips that keep their label.
        labels_per_class: How many train clips of each gloss keep their label, instead of a share.
        seed: Of the share, weights, order and augmentation.
        split: The split that reports into --json.
        json: Where to write the report on that split.
    """
    clips = ClipSelection(data, where, label_fraction, labels_per_class, strict)
    run = protocols.linear(recipe, init, clips, out, config=config, seed=seed)
    return _after_training(run, clips, split, json)


def convert(checkpoint: Path, out: Path, labels: Path | None = None) -> int:
    """Read a checkpoint of the authors' released code into a RUN.

    Args:
        checkpoint: Their .pth.tar, of pre-training or of a classifier.
        out: The RUN folder to write.
        labels: A classifier's glosses in order: a JSON list, or one a line.
    """
    if (out / CONFIG).is_file() and load_run(out).about.get("checkpoint") != str(checkpoint):
        raise InputError(f"a RUN that was not made of {checkpoint}", "a new folder", file=out)
    done = conversion.convert(checkpoint, out, labels)
    console.print(f"{done.run.kind} run in {out}", markup=False)
    for names, why in (
        (done.dead, "take no part in the released forward pass"),
        (done.unused, "are not kept in a RUN"),
    ):
        if names:
            console.print(f"{len(names)} tensors {why}: {', '.join(names[:3])} …", markup=False)
    return OK


def _after_training(run: Any, clips: ClipSelection, split: str, json: Path | None) -> int:
    if not rank_info().first:
        return OK
    console.print(f"trained on {run.about['clips']} clips of {run.about['classes']} glosses: {run.path}")
    fitted = calibration_of(run)
    said = threshold_in_words(fitted) if fitted else "no val clips to fit it on; `twinsign calibrate` does so later"
    hint = "; `twinsign calibrate` tries other terms" if fitted and fitted.threshold >= NEVER else ""
    console.print(f'"not sure" threshold: {said}{hint}', markup=False, highlight=False, soft_wrap=True)
    if json:
        found = evaluate(run.path, ClipSelection(clips.data, clips.where), parse_splits(split)).report
        print_report(found)
        keep_report(run.path, found)
        write_json(json, found)
    return OK
