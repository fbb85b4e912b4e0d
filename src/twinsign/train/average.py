"""One RUN from several fine-tunings of one start: the mean of their weights (Wortsman et al. 2022, "model soups").

Trainings that begin at one network and differ in their seeds or rates end near one another. The mean of their weights
then answers about as well as the mean of their answers, and costs as much as one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import torch
from torch import nn

from twinsign.errors import InputError
from twinsign.files import write_bytes
from twinsign.runs.models import load_classifier
from twinsign.runs.run import CALIBRATED, Run, load_run, run_lock, save_run
from twinsign.runs.training_clips import TRAINING_CLIPS
from twinsign.train.prepare import STARTED_FROM, differing_keys, matches_finished_run

AVERAGED = "averaged"
"""Key of `about`: the seed and the digest of each RUN that the mean was taken of."""


def average(models: Sequence[str | PathLike[str]], out: str | PathLike[str]) -> Run:
    """Write a RUN whose weights are the mean of those of classifiers fine-tuned from one RUN; it is not calibrated.

    That RUN itself may be among them. Raises InputError unless there are two or more, of one start, one set of clips
    and glosses, and one network, or where `out` holds another RUN.

    Examples:
        >>> from dataclasses import replace
        >>> import twinsign as ts
        >>> recipe, clips = ts.load_recipe("demo"), ts.ClipSelection(["packs/signs.pack"])
        >>> recipe = replace(recipe, trainer=replace(recipe.trainer, progress=False))
        >>> recipe = replace(recipe, pretrain=replace(recipe.pretrain, steps=2))
        >>> recipe = replace(recipe, finetune=replace(recipe.finetune, epochs=1))
        >>> start = ts.pretrain(recipe, clips.data, "soup/start").path
        >>> runs = [ts.finetune(recipe, start, clips, f"soup/{seed}", seed=seed) for seed in (0, 1)]
        >>> len(ts.average([run.path for run in runs], "soup/both").about["averaged"])
        2
    """
    runs = [load_run(model) for model in models]
    if len(runs) < 2:
        raise InputError(f"{len(runs)} RUN", "two or more")
    digests = [run.digest() for run in runs]
    check_alike(runs, digests)
    first = runs[0]
    about = {key: value for key, value in first.about.items() if key not in ("calibration", CALIBRATED)}
    about[AVERAGED] = [{"seed": run.about.get("seed"), "digest": each} for run, each in zip(runs, digests, strict=True)]
    about["minutes"] = round(sum(run.about.get("minutes", 0) for run in runs), 1)
    made = replace(first, path=Path(out), about=about)
    networks = [load_classifier(run) for run in runs]
    states = [network.state_dict() for network in networks]
    for name, value in states[0].items():
        if value.is_floating_point():
            value.copy_(torch.stack([state[name] for state in states]).mean(dim=0))
    return save_combined(made, networks[0], first)


def save_combined(made: Run, network: nn.Module, member: Run) -> Run:
    """Write a RUN made of several with the training clips of one of them, unless it is there, finished."""
    with run_lock(made.path):
        if matches_finished_run(made):
            return load_run(made.path)
        if (member.path / TRAINING_CLIPS).is_file():
            write_bytes(made.path / TRAINING_CLIPS, (member.path / TRAINING_CLIPS).read_bytes())
        save_run(made, network)
    return made


def check_alike(runs: Sequence[Run], digests: Sequence[str]) -> None:
    """Raise InputError unless the weights of these RUNs may be averaged."""
    starts = [run.about.get(STARTED_FROM, {}).get("digest") for run in runs]
    facts = []
    for run, digest, start in zip(runs, digests, starts, strict=True):
        start = digest if digest in starts else start  # where the others began belongs to them
        if run.kind != "classifier" or run.about.get("protocol") != "finetune" or not start:
            of_several = "an ensemble of several networks" if "ensemble" in run.about else ""
            problem = of_several or "a RUN that no fine-tuning of a trained RUN made"
            wanted = "classifiers that finetune trained from one RUN, and that RUN: others are too far apart"
            raise InputError(problem, wanted, file=run.path)
        head = replace(run.recipe.finetune.head, start="random")  # where its layers began makes no other network
        network = (run.recipe.encoder, head, run.recipe.read, run.recipe.windows)
        facts.append({"start": start, "clips": run.about.get("rows_hash"), "glosses": run.labels, "network": network})
    for run, fact in zip(runs, facts, strict=True):
        if differing := differing_keys(fact, facts[0]):
            raise InputError(f"{differing[0]} unlike those of {runs[0].path}", "the same", file=run.path)
