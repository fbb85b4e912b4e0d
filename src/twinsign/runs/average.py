"""One RUN from several fine-tunings of one start: the mean of their weights (Wortsman et al. 2022, "model soups").

Trainings that begin at one network and differ in their seeds or rates end near one another. The mean of their weights
then answers about as well as the mean of their answers, and costs as much as one of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.runs.run import CALIBRATED, CONFIG, Run, load_run, run_lock, save_config, save_weights
from twinsign.runs.training_clips import TRAINING_CLIPS

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
    runs, folder = [load_run(model) for model in models], Path(out)
    if len(runs) < 2:
        raise InputError(f"{len(runs)} RUN", "two or more")
    check_alike(runs)
    tensors = mean_of(runs)
    about = {key: value for key, value in runs[0].about.items() if key not in ("calibration", CALIBRATED)}
    about[AVERAGED] = [{"seed": run.about.get("seed"), "digest": run.digest()} for run in runs]
    about["minutes"] = round(sum(run.about.get("minutes", 0) for run in runs), 1)
    if (folder / CONFIG).is_file() and load_run(folder).about.get(AVERAGED) != about[AVERAGED]:
        raise InputError("a RUN that is not the mean of these", "a new folder", file=folder)
    made = replace(runs[0], path=folder, about=about)
    folder.mkdir(parents=True, exist_ok=True)
    with run_lock(folder):
        save_config(made)
        if (runs[0].path / TRAINING_CLIPS).is_file():
            shutil.copyfile(runs[0].path / TRAINING_CLIPS, folder / TRAINING_CLIPS)
        save_weights(folder, tensors)
    return made


def check_alike(runs: Sequence[Run]) -> None:
    """Raise InputError unless the weights of these RUNs may be averaged."""
    starts = [run.about.get("started_from", {}).get("digest") for run in runs]
    begun = {start for start in starts if start}
    facts = []
    for run, start in zip(runs, starts, strict=True):
        is_start = run.digest() in begun  # where they all began belongs to them
        if run.kind != "classifier" or run.about.get("protocol") != "finetune" or not (start or is_start):
            problem = "a RUN that no fine-tuning of a trained RUN made"
            wanted = "classifiers that finetune trained from one RUN, and that RUN: others are too far apart"
            raise InputError(problem, wanted, file=run.path)
        head = replace(run.recipe.finetune.head, start="random")  # where its layers began makes no other network
        network = (run.recipe.encoder, head, run.recipe.read, run.recipe.windows)
        facts.append({"start": run.digest() if is_start else start, "clips": run.about.get("rows_hash")})
        facts[-1] |= {"glosses": run.labels, "network": network}
    for run, fact in zip(runs, facts, strict=True):
        differing = [name for name in fact if fact[name] != facts[0][name]]
        if differing:
            raise InputError(f"{differing[0]} unlike those of {runs[0].path}", "the same", file=run.path)


def mean_of(runs: Sequence[Run]) -> dict[str, Tensor]:
    """The mean of each of their tensors, by name; numbers that are no weights are those of the first."""
    weights = [run.weights() for run in runs]
    shapes = [{name: value.shape for name, value in tensors.items()} for tensors in weights]
    for run, shape in zip(runs, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError("weights of other names or shapes", f"those of {runs[0].path}", file=run.path)
    return {
        name: torch.stack([tensors[name] for tensors in weights]).mean(dim=0) if value.is_floating_point() else value
        for name, value in weights[0].items()
    }
