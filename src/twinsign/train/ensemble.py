"""One RUN of several classifiers, of whatever networks: all of them look, and their logits are added.

Networks of two kinds make other mistakes, so that both together are right more often than the better one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from twinsign.errors import InputError
from twinsign.nn.beside import side_by_side
from twinsign.nn.classifier import Classifier
from twinsign.nn.config import EncoderConfig, each_network
from twinsign.runs.models import frames_of, head_recipe, load_classifier
from twinsign.runs.run import CALIBRATED, Run, load_run
from twinsign.train.average import AVERAGED, save_combined
from twinsign.train.prepare import STARTED_FROM

ENSEMBLE = "ensemble"
"""Key of `about`: seed, config, digest and start of each RUN that takes part."""
WITHOUT_PARTS = ("conv_gru", "st_gcn")
"""Networks whose one feature stands under `hand`, so that the trunk as another part adds nothing to it."""
BRANCHES_HINT = "Train both with --finetune.head.branches '[joint,motion]', or both with '[joint]'."


def ensemble(models: Sequence[str | PathLike[str]], out: str | PathLike[str]) -> Run:
    """Write a RUN whose logits are the sum of those of several classifiers; it is not calibrated.

    Its vectors, for dictionaries and embeddings, are those of the first.
    Raises InputError unless there are two or more, of the same clips, glosses, branches, parts and frames, that read
    poses alike, or where `out` holds another RUN.

    Examples:
        >>> from dataclasses import replace
        >>> import twinsign as ts
        >>> recipe, clips = ts.load_recipe("demo"), ts.ClipSelection(["packs/signs.pack"])
        >>> recipe = replace(recipe, trainer=replace(recipe.trainer, progress=False))
        >>> recipe = replace(recipe, finetune=replace(recipe.finetune, epochs=1))
        >>> wider = replace(recipe, encoder=replace(recipe.encoder, part_widths=(64,)))
        >>> runs = [ts.finetune(each, "none", clips, f"pair/{i}") for i, each in enumerate((recipe, wider))]
        >>> len(ts.ensemble([run.path for run in runs], "pair/both").about["ensemble"])
        2
    """
    runs = [load_run(model) for model in models]
    if len(runs) < 2:
        raise InputError(f"{len(runs)} RUN", "two or more")
    parts = check_same_task(runs)
    first, chosen = runs[0], head_recipe(runs[0])
    chosen = replace(chosen, head=replace(chosen.head, parts=parts))
    encoder = beside_each_other([run.recipe.encoder for run in runs])
    sections: dict[str, Any] = {"encoder": encoder, str(first.about["protocol"]): chosen}
    recipe = replace(first.recipe, **sections)
    left_out = ("calibration", CALIBRATED, STARTED_FROM, AVERAGED, "init")
    about: dict[str, Any] = {key: value for key, value in first.about.items() if key not in left_out}
    about[ENSEMBLE] = [identity(run.about, run.digest()) for run in runs]
    about["minutes"] = round(sum(run.about.get("minutes", 0) for run in runs), 1)
    made = Run(Path(out), "classifier", recipe, first.labels, about)
    return save_combined(made, add_logits(runs, Classifier(encoder, chosen.head, len(first.labels))), first)


def identity(about: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """What tells a RUN from others, of how many trainings it is the mean, and the RUN that it started from, if any."""
    found: dict[str, Any] = {"seed": about.get("seed"), "config": about.get("config"), "digest": digest}
    found |= {"trainings": len(about[AVERAGED])} if AVERAGED in about else {}
    start = about.get(STARTED_FROM)
    return found | ({"start": identity(start, str(start.get("digest")))} if start else {})


@torch.no_grad()
def add_logits(runs: Sequence[Run], whole: Classifier) -> Classifier:
    """Fill a classifier of all their networks, so that its logits are the sum of those of these RUNs."""
    classifiers = [load_classifier(run) for run in runs]
    for name, encoder in whole.encoders.items():
        members = [member for each in classifiers for member in side_by_side(each.encoders[name])]
        for network, member in zip(side_by_side(encoder), members, strict=True):
            network.load_state_dict(member.state_dict())
        layer, layers = cast(nn.Linear, whole.fc[name]), [cast(nn.Linear, each.fc[name]) for each in classifiers]
        layer.weight.copy_(torch.cat([each.weight for each in layers], dim=1))
        layer.bias.copy_(torch.stack([each.bias for each in layers]).sum(dim=0))
    return whole.eval()


def check_same_task(runs: Sequence[Run]) -> tuple[str, ...]:
    """The parts that their layers look at; InputError unless the logits of these RUNs can be added for any clip."""
    for run in runs:
        if run.kind != "classifier":
            raise InputError("a pre-trained run without a classifier", "RUNs of finetune or linear", file=run.path)
    heads = [head_recipe(run).head for run in runs]
    has_parts = [any(each.network not in WITHOUT_PARTS for each in each_network(run.recipe.encoder)) for run in runs]
    parts = next((head.parts for head, has in zip(heads, has_parts, strict=True) if has), heads[0].parts)
    facts: list[dict[str, Any]] = [
        {
            "glosses": run.labels,
            "clips": run.about.get("rows_hash"),
            "branches": ", ".join(head.branches),
            "join": head.join,
            "frames": frames_of(run),
            "read": asdict(run.recipe.read),
            "windows": asdict(run.recipe.windows),
            "parts": head.parts if has else parts,
        }
        for run, head, has in zip(runs, heads, has_parts, strict=True)
    ]
    for run, fact in zip(runs, facts, strict=True):
        wanted = {**facts[0], "parts": parts}
        differing = next((name for name in fact if fact[name] != wanted[name]), None)
        if differing is not None:
            short = isinstance(fact[differing], str | int)
            said, of = (f": {fact[differing]}", str(wanted[differing])) if short else ("", "the same")
            hint = BRANCHES_HINT if differing == "branches" else ""
            raise InputError(f"{differing} unlike those of {runs[0].path}{said}", of, file=run.path, hint=hint)
    return parts


def beside_each_other(configs: Sequence[EncoderConfig]) -> EncoderConfig:
    """The config of all of these networks side by side."""
    first, *others = [each for config in configs for each in each_network(config)]
    return replace(first, beside=beside_each_other(others) if others else None)
