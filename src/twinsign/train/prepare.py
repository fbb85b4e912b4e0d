"""What an experiment starts from: its clips, its encoders, and a folder that is new or its own."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from twinsign.distributed import rank_info
from twinsign.errors import InputError
from twinsign.inference.shift import check_shift, training_statistics
from twinsign.nn.beside import first_networks
from twinsign.nn.classifier import Classifier
from twinsign.nn.features import embed, features_as_tested, fixed_views, joint_embedding
from twinsign.nn.imprint import imprint
from twinsign.nn.whitening import fit_whitening
from twinsign.pack.open import Indices, Pack
from twinsign.pack.same_signs import same_signs
from twinsign.pack.selection import ClipSelection, LabelledRows
from twinsign.runs.models import NO_PRETRAINING, control_encoders, evaluation_loader, load_encoders
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import CALIBRATED, CONFIG, SAME_SIGNS, TRAINING_STATISTICS, WEIGHTS, Run, load_run
from twinsign.terminal import escape_controls
from twinsign.train.precision import training_device
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader, Mixture
from twinsign.views.config import ReadConfig
from twinsign.views.reading import adapt_reading, union_of_joints

log = logging.getLogger("twinsign")
STARTED_FROM = "started_from"
"""Key of `about`: what the pre-trained RUN was that a classifier began with."""
WHITENING_CLIPS = 4096
"""Clips that an embedding's whitening is fitted on, at most: a few times its numbers are enough."""
FEWEST = 2
"""Clips below which there is nothing to tell one from."""


def classifier_run(
    recipe: Recipe,
    protocol: Literal["finetune", "linear"],
    init: str | Path,
    clips: ClipSelection,
    out: Path,
    config: str,
    seed: int,
    made_of: tuple[Pack, LabelledRows, LabelledRows | None, list[str]],
) -> Run:
    """A classifier's RUN, not yet trained, with the facts of its making."""
    pack, train, val, glosses = made_of
    about: dict[str, Any] = {"protocol": protocol, "config": config, "init": str(init), "seed": seed}
    about |= {"data": [str(path) for path in clips.data], "where": clips.where}
    about |= {"label_fraction": clips.label_fraction, "clips": len(train.rows), "classes": len(glosses)}
    if clips.labels_per_class is not None:  # absent otherwise, as in the runs of earlier versions
        about["labels_per_class"] = clips.labels_per_class
    about |= {"rows_hash": pack.split_hash(train.rows), "selected_on": ["train", "val"] if val else ["train"]}
    if pairs := same_signs(pack, train.rows):
        about[SAME_SIGNS] = pairs
    views = Run(out, "classifier", recipe, about=about).augment
    recipe = read_as_learnt(recipe, pack, train.rows, views.mirrors)
    if protocol == "linear" and str(init) != NO_PRETRAINING:
        recipe = read_as_before(recipe, load_run(init))
    about |= {
        TRAINING_STATISTICS: training_statistics(pack, train.rows, recipe.read, None if val is None else val.rows)
    }
    return Run(out, "classifier", recipe, glosses, about)


def read_as_learnt(recipe: Recipe, pack: Pack, rows: Indices, mirrored: bool) -> Recipe:
    """The recipe of a run that learns from these rows: joints that they hardly ever show are left out for good."""
    return replace(recipe, read=adapt_reading(pack, rows, recipe.read, mirrored))


def read_as_before(recipe: Recipe, source: Run) -> Recipe:
    """The recipe of a layer on frozen encoders, which also leave out what they themselves never learnt from."""
    crop, encoder_crop = recipe.read.crop, source.recipe.read.crop
    joined_crop = replace(crop, ignore=union_of_joints(crop.ignore, encoder_crop.ignore), shape=encoder_crop.shape)
    return replace(recipe, read=replace(recipe.read, crop=joined_crop))


def matches_finished_run(run: Run) -> bool:
    """Return whether the folder holds this very run, finished; InputError if it holds another run."""
    if not (run.path / CONFIG).is_file():
        if run.path.is_dir() and (run.path / WEIGHTS).exists():
            raise InputError("weights without a config", "an empty or new folder", file=run.path)
        return False
    stored = load_run(run.path)
    ignored = {"minutes", "calibration", CALIBRATED, TRAINING_STATISTICS, STARTED_FROM, SAME_SIGNS}
    sections = ("trainer", "abstain", *(("finetune", "linear") if run.kind == "pretrained" else ()))
    facts = [{k: v for k, v in each.about.items() if k not in ignored} for each in (stored, run)]
    recipes = [{k: v for k, v in each.recipe.as_dict().items() if k not in sections} for each in (run, stored)]
    keys = differing_keys(facts[0], facts[1]) + differing_keys(recipes[0], recipes[1])
    keys += ["labels"] * (stored.labels != run.labels)
    if keys:
        longer = run.kind == "pretrained" and bool({*keys} & {"pretrain.epochs", "pretrain.steps"})
        hint = f"Choose another --out{f', with --init {run.path} to train it for longer' if longer else ''}."
        wanted = "the same run, to resume, or a new folder"
        raise InputError(f"a run that differs in {', '.join(keys)}", wanted, file=run.path, hint=hint)
    return (run.path / WEIGHTS).is_file()


def differing_keys(left: dict[str, Any], right: dict[str, Any], prefix: str = "") -> list[str]:
    """Where nested plain values differ, by dotted names."""
    keys = []
    for name in sorted(left.keys() | right.keys()):
        value, wanted = left.get(name), right.get(name)
        if isinstance(value, dict) and isinstance(wanted, dict):
            keys += differing_keys(value, wanted, f"{prefix}{name}.")
        elif value != wanted:
            keys.append(f"{prefix}{name}")
    return keys


def start_at_class_means(classifier: Classifier, reader: ClipReader, recipe: Recipe) -> None:
    """Start a classifier's layers at the class means of what its encoders see before fine-tuning."""
    encoders = classifier.encoders.to(training_device(recipe))
    viewer = fixed_views(recipe.windows, recipe.finetune.frames)
    features = features_as_tested(encoders, reader, viewer, recipe.finetune.head.parts)
    encoders.cpu()
    imprint(classifier, *features)


def whiten_embeddings(
    encoders: nn.ModuleDict, pack: Pack, rows: Indices, recipe: Recipe, mixture: Mixture | None, seed: int
) -> dict[str, nn.Module]:
    """What whitens a pre-training's embeddings, under the name that a RUN's weights have it by; empty if not asked.

    Fitted on a seeded draw of the clips that were learnt from, as often of each pack as the mixture shows them.
    """
    if recipe.pretrain.whitening is None:
        return {}
    shown = np.random.default_rng([seed, 4]).permutation(len(rows)) if mixture is None else mixture.order(0)
    drawn = rows[np.sort(shown[:WHITENING_CLIPS])]
    viewer = fixed_views(recipe.windows, recipe.pretrain.frames)
    features, _ = embed(first_networks(encoders), evaluation_loader(pack, drawn, recipe), viewer)
    return {"whitening": fit_whitening(joint_embedding(features), recipe.pretrain.whitening)}


def training_loader(
    reader: ClipReader, size: int, seed: int, recipe: Recipe, mixture: Mixture | None = None
) -> ClipLoader:
    """Shuffled batches of `size` clips for each process, in the mixture's order if any; no short ones.

    Raises InputError on one clip alone, and warns of fewer clips than a batch: then each batch is all of them.
    """
    rank, count = rank_info(), len(reader) if mixture is None else len(mixture)
    step = size * rank.world_size
    if len(reader) < FEWEST:
        wanted = f"{FEWEST} or more, as a clip is contrasted with others"
        raise InputError(f"{len(reader)} clip to learn from", wanted, file=reader.pack.paths[0])
    if count < step and rank.first:
        log.warning("note: %d clips are fewer than a batch of %d: every batch is all of them", count, step)
    part = (rank.rank, rank.world_size)
    batches = ClipBatchSampler(count, step, seed=seed, shuffle=True, drop_last=True, part=part, mixture=mixture)
    return ClipLoader(reader, batches, workers=recipe.trainer.workers, pin=torch.cuda.is_available())


def rank_part(data: LabelledRows) -> tuple[int, int]:
    """A process's part of evaluated clips; of fewer clips than processes each takes all."""
    rank = rank_info()
    return (rank.rank, rank.world_size) if len(data.rows) >= rank.world_size else (0, 1)


def initial_encoders(
    recipe: Recipe, init: str | Path, reader: ClipReader, seed: int, strict: bool = False
) -> nn.ModuleDict:
    """A RUN's query encoders, or (`none`) random ones; InputError where its encoder, or (strict) data, is another."""
    if str(init) == NO_PRETRAINING:
        return control_encoders(recipe, reader, seed)
    source = load_run(init)
    if source.recipe.encoder != recipe.encoder:
        configs = [asdict(encoder) for encoder in (source.recipe.encoder, recipe.encoder)]
        names = [name for name in configs[0] if configs[0][name] != configs[1][name]]
        stored, wanted = (", ".join(f"{name}={config[name]}" for name in names) for config in configs)
        hint = "Use the config it was pre-trained with."
        raise InputError(f"an encoder of {stored}", wanted, file=source.path, hint=hint)
    if _without_joints(source.recipe.read) != _without_joints(recipe.read):
        log.warning("note: %s was pre-trained with other crop settings than this run's", escape_controls(source.path))
    check_shift(source, reader.pack, reader.rows, recipe.read, strict)
    return load_encoders(source)


def _without_joints(read: ReadConfig) -> ReadConfig:
    """The settings that do not follow from a run's own clips."""
    return replace(read, crop=replace(read.crop, ignore=(), shape="pixels"))


def with_initial_run(run: Run, init: str | Path) -> Run:
    """The run with what a later reader must know of the RUN it begins with: its hash, clips and packs."""
    if str(init) == NO_PRETRAINING:
        return run
    source = load_run(init)
    kept = ("protocol", "config", "seed", "data", "where", "clips", "rows_hash")
    facts = {"digest": source.digest(), **{name: source.about[name] for name in kept if name in source.about}}
    facts["packs"] = source.about.get(TRAINING_STATISTICS, {}).get("packs", [])
    return replace(run, about={**run.about, STARTED_FROM: facts})
